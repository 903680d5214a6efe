//! What people see and do.

mod chromium;
mod page;

mod accessible;
mod approvals;
mod dead_letters;
mod fake_model;
mod hostile;
mod keyboard;
mod keys;
mod login;
mod many;
mod outage;
mod schedules;
mod screens;
mod writing;
