//! Who may manage what, and as whom code of other roles runs.

mod administrators;
mod database_owner;
mod foreign_code;
mod lifetime;
mod own_roles;
mod session_token;
