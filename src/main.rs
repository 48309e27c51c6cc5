//! The `phoneai` command.

fn main() -> std::process::ExitCode {
    phoneai::cli::main()
}
