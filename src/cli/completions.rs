//! `autodev completions`: what makes a shell complete autodev's commands and options.

use clap::Args;
use clap_complete::Shell;

use super::{public, screen};

const PLACES: &str = "\
Where the text belongs:
  bash        autodev completions bash > ~/.local/share/bash-completion/completions/autodev
  zsh         autodev completions zsh > ~/.zfunc/_autodev
              with `fpath+=(~/.zfunc)` before `compinit` in ~/.zshrc
  fish        autodev completions fish > ~/.config/fish/completions/autodev.fish
  elvish      autodev completions elvish > ~/.config/elvish/lib/autodev.elv
              with `use autodev` in ~/.config/elvish/rc.elv
  powershell  autodev completions powershell >> $PROFILE

The directory must exist. A new shell knows the completions.";

#[derive(Debug, Args)]
#[command(after_help = PLACES)]
pub(super) struct CompletionsArguments {
    /// The shell
    #[arg(value_name = "SHELL")]
    shell: Shell,
}

pub(super) fn main(arguments: &CompletionsArguments) -> i32 {
    let mut text = Vec::new();
    clap_complete::generate(arguments.shell, &mut public(), "autodev", &mut text);
    screen::print(&String::from_utf8_lossy(&text));
    0
}
