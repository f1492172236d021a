//! `cargo xtask proto`: the Rust of the proto files, written anew after they changed. Needs no protoc.
//!
//! The compilers for it are big and rarely needed, so they are behind a feature that this command switches on.

#[cfg(feature = "codegen")]
pub fn generate() -> anyhow::Result<bool> {
    let room = crate::root().join("db/grpc");
    let files = protox::compile(["weft/v1/switch.proto"], [room.join("proto")])?;
    let out = room.join("src/generated");
    std::fs::create_dir_all(&out)?;
    // Without the comments.
    let mut compiler = protox::Compiler::new([room.join("proto")])?;
    compiler.open_file("weft/v1/switch.proto")?;
    std::fs::write(out.join("weft.v1.bin"), compiler.encode_file_descriptor_set())?;
    tonic_prost_build::configure().out_dir(&out).btree_map(".").build_transport(false).compile_fds(files)?;
    Ok(true)
}

#[cfg(not(feature = "codegen"))]
pub fn generate() -> anyhow::Result<bool> {
    let args = ["run", "--quiet", "-p", "weft-xtask", "--features", "codegen", "--", "proto"];
    let status = std::process::Command::new(env!("CARGO")).args(args).current_dir(crate::root()).status()?;
    Ok(status.success())
}
