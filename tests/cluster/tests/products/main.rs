//! The four products, and the examples in the documentation.

mod documentation;
mod mailersend;
mod mailosaur;
mod mailtrap;
mod readme;
mod tosend;
