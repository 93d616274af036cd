//! The `autodev` program.

use std::process::ExitCode;

use autodev::cli;
use autodev::sys::{fs, guard};

fn main() -> ExitCode {
    // The guardian is started with every run: it must be there at once, without parsing a command line.
    let mut args = std::env::args_os().skip(1);
    if let (Some(command), Some(run)) = (args.next(), args.next())
        && command == guard::COMMAND
    {
        return guard::main(&run.to_string_lossy());
    }
    fs::report_size_limit();
    cli::main()
}
