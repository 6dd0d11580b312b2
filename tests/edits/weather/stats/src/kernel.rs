/// Weights of what is near.
pub trait Kernel {
    /// The weight at a distance, which is at most `width`.
    fn weight(&self, distance: u32, width: u32) -> f64;
}

/// All weigh the same.
pub struct Flat;

impl Kernel for Flat {
    fn weight(&self, _: u32, _: u32) -> f64 {
        1.
    }
}

/// What is nearer weighs more.
pub struct Triangle;

impl Kernel for Triangle {
    fn weight(&self, distance: u32, width: u32) -> f64 {
        f64::from(width + 1 - distance)
    }
}
