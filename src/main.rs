//! The `autodev` program.

use std::process::ExitCode;

use autodev::sys::guard;

fn main() -> ExitCode {
    let mut args = std::env::args().skip(1);
    match (args.next(), args.next()) {
        (Some(command), Some(run_id)) if command == guard::COMMAND => guard::main(&run_id),
        _ => ExitCode::FAILURE,
    }
}
