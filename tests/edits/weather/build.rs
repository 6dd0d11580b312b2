//! Has the program compiled anew when a file of measurements comes or goes.

fn main() {
    println!("cargo::rerun-if-changed=data/readings");
}
