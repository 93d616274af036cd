//! Limits of the operating system that would end this process: they become errors where they are met.

use nix::libc::c_int;
use nix::sys::signal::{SaFlags, SigAction, SigHandler, SigSet, Signal, sigaction};

/// Makes a write beyond the largest file size (`ulimit -f`) fail with an error that names the file; by default the
/// signal `SIGXFSZ` ends the process in the middle of it. Children get the default back, as it is a handler that
/// is installed: what is ignored would be inherited.
///
/// # Errors
/// When the operating system refuses the handler; then all is as before.
#[expect(unsafe_code, reason = "std and nix have no safe way to install a handler")]
pub fn fail_beyond_file_size() -> nix::Result<()> {
    let action = SigAction::new(SigHandler::Handler(nothing), SaFlags::SA_RESTART, SigSet::empty());
    // SAFETY: the handler does nothing, which is async-signal-safe, and no other code of ours handles this signal.
    unsafe { sigaction(Signal::SIGXFSZ, &action) }.map(drop)
}

extern "C" fn nothing(_: c_int) {}
