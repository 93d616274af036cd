//! `autodev status`.

use anyhow::Result;

use super::screen;
use crate::engine::look;
use crate::engine::project::Project;
use crate::engine::sinks::{Audience, Places, Sinks};
use crate::view;

pub(super) fn main(project: &Project, json: bool) -> Result<i32> {
    let state = look::state(project)?;
    let names = Places::of(project).names;
    Sinks::new(project, Audience::Command).refresh(&state);
    if json {
        screen::print_json(&view::status::json(&state, &names));
    } else {
        screen::print(&view::status::human(&state, &names, &screen::style()));
    }
    Ok(0)
}
