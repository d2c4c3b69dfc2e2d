// RUN: llmopt-opt-howto %s --llm-approximate-gelu --verify-diagnostics

// expected-error @below {{the module must be in phase 'graph', it is in 'kernels'}}
module attributes {llm.phase = "kernels"} {
}
