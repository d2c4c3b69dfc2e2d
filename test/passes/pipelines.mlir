// RUN: %python %S/every_pipeline.py %S/Inputs/alibi.mlir %S/Inputs/gated.mlir %S/Inputs/learned_positions.mlir
// RUN: %python %S/every_pipeline.py %S/Inputs/parallel.mlir %S/Inputs/partial_rotary.mlir %S/Inputs/tied.mlir
