//! Pages: a store in a browser. Data flows one way: `model` reads the store, `views` writes HTML, `page` finds what an address has, and
//! `server` sends it or `site` writes it into files.

mod model;
mod page;
mod server;
mod site;
mod views;

pub(crate) use model::{PlanOf, Reader};
pub(crate) use server::{Serving, serve};
pub(crate) use site::{Artifacts, Site, Written};
