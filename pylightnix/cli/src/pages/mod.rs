//! Pages: a store in a browser. Data flows one way: `model` reads the store, `views` writes HTML, and `server` sends it.

mod model;
mod server;
mod views;

pub(crate) use model::{PlanOf, Reader};
pub(crate) use server::{Serving, serve};
