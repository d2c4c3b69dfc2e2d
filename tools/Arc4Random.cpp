//===- Arc4Random.cpp - For libcs older than the one that builds the static program -----------===//
//
// std::random_device, which SentencePiece seeds its sampling with, calls arc4random, which glibc
// has since 2.36. With this one the static program runs where glibc is 2.35, as on Ubuntu 22.04.
//
//===------------------------------------------------------------------------------------------===//

#include <cstdlib>
#include <unistd.h>

extern "C" unsigned arc4random() noexcept {
  unsigned value = 0;
  if (::getentropy(&value, sizeof value) != 0)
    std::abort(); // as glibc's does
  return value;
}
