//! The executable of all tools: see the library.

fn main() -> std::process::ExitCode {
    weft_cli::main()
}
