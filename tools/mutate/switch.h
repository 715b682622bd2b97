// Which mutant lives: ENTENTE_MUTANT is its number. With ENTENTE_MUTANTS_REACHED, a file with a
// byte for each mutant, those whose place is come through are marked in it, by child processes too.
#pragma once

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>

namespace entente::mutate {

inline unsigned char* OpenReached() {
  const char* path = std::getenv("ENTENTE_MUTANTS_REACHED");
  const int file = path == nullptr ? -1 : open(path, O_RDWR | O_CLOEXEC);
  struct stat found {};
  if (file < 0 || fstat(file, &found) != 0) {
    return nullptr;
  }
  void* place = mmap(nullptr, static_cast<size_t>(found.st_size), PROT_READ | PROT_WRITE,
                     MAP_SHARED, file, 0);
  close(file);
  return place == MAP_FAILED ? nullptr : static_cast<unsigned char*>(place);
}

// From the start on: a test may leave the process without descriptors.
inline unsigned char* const reached = OpenReached();

inline bool Lives(int number) {
  static const char* const text = std::getenv("ENTENTE_MUTANT");
  static const int chosen = text == nullptr ? -1 : std::atoi(text);
  if (reached != nullptr) {
    reached[number] = 1;
  }
  return chosen == number;
}

}  // namespace entente::mutate

#define ENTENTE_MUTANT(number) ::entente::mutate::Lives(number)
