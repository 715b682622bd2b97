// entente-fuzz --target NAME --corpus DIR [--seconds N] [--seed S] [--runs N]
// entente-fuzz --corpus DIR ...     every target, each with DIR/<target>
// entente-fuzz --target NAME --input FILE      one input, to look at it
// entente-fuzz --list yes           the targets' names
//
// Mutates what is in the corpus: bytes flipped, words put in, pieces cut out, repeated and spliced.
// The same seed and number of runs try the same inputs. If the process dies, the input that it died
// of is in fuzz-crash-<target> in the working directory.
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <string_view>
#include <vector>

#include <google/protobuf/stubs/logging.h>

#include "tests/fuzz/target.h"
#include "tests/sim/scheduler.h"

namespace {

using entente::fuzz::Target;
using entente::sim::Dice;

constexpr size_t kMaxInputBytes = 8192;

struct Flags {
  std::string target;
  std::string corpus;
  std::string input;
  uint64_t seconds = 5;
  uint64_t seed = 1;
  uint64_t runs = UINT64_MAX;
  bool list = false;
};

std::string ReadAll(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

std::vector<std::string> ReadCorpus(const std::filesystem::path& folder) {
  std::vector<std::filesystem::path> files;
  if (std::filesystem::is_directory(folder)) {
    for (const auto& entry : std::filesystem::directory_iterator(folder)) {
      files.push_back(entry.path());
    }
  }
  std::sort(files.begin(), files.end());
  std::vector<std::string> corpus = {""};
  for (const auto& file : files) {
    corpus.push_back(ReadAll(file));
  }
  return corpus;
}

size_t Place(Dice& dice, const std::string& text) {
  return dice.Below(text.size() + 1);
}

void Mutate(std::string& text, const Target& target, const std::vector<std::string>& corpus,
            Dice& dice) {
  const size_t at = Place(dice, text);
  switch (dice.Below(7)) {
    case 0:
      if (!text.empty()) {
        text[at % text.size()] = static_cast<char>(dice.Next());
      }
      break;
    case 1:
      if (!text.empty()) {
        text[at % text.size()] ^= static_cast<char>(1U << dice.Below(8));
      }
      break;
    case 2: text.erase(at, dice.Below(16)); break;
    case 3: text.insert(at, text.substr(Place(dice, text), dice.Below(64))); break;
    case 4: {
      const std::string& other = corpus[dice.Below(corpus.size())];
      text = text.substr(0, at) + other.substr(Place(dice, other));
      break;
    }
    default: text.insert(at, target.words[dice.Below(target.words.size())]); break;
  }
  if (text.size() > kMaxInputBytes) {
    text.resize(kMaxInputBytes);
  }
}

// What is being tried, and where it is kept, for whoever handles the process's death.
std::string_view trying;
std::string keep_in;

void KeepWhatItDiedOf(int signal) {
  const int file = open(keep_in.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600);
  if (file >= 0) {
    static_cast<void>(write(file, trying.data(), trying.size()) == 0);
    close(file);
  }
  std::signal(signal, SIG_DFL);
  std::raise(signal);
}

void Try(const Target& target, const std::string& input) {
  trying = input;
  target.run(input);
}

void Fuzz(const Target& target, const Flags& flags, const std::string& folder) {
  const std::vector<std::string> corpus = ReadCorpus(folder);
  keep_in = std::string("fuzz-crash-") + target.name;
  Dice dice(flags.seed);
  for (const std::string& input : corpus) {
    Try(target, input);
  }
  const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(flags.seconds);
  uint64_t runs = 0;
  while (runs < flags.runs && std::chrono::steady_clock::now() < until) {
    std::string input = corpus[dice.Below(corpus.size())];
    for (uint64_t n = 1 + dice.Below(6); n > 0; --n) {
      Mutate(input, target, corpus, dice);
    }
    Try(target, input);
    ++runs;
  }
  std::printf("%-14s %zu of the corpus, %llu mutations\n", target.name, corpus.size() - 1,
              static_cast<unsigned long long>(runs));
}

bool ReadFlags(int argc, char** argv, Flags& flags) {
  for (int i = 1; i + 1 < argc; i += 2) {
    const std::string flag = argv[i];
    const std::string value = argv[i + 1];
    if (flag == "--target") {
      flags.target = value;
    } else if (flag == "--corpus") {
      flags.corpus = value;
    } else if (flag == "--input") {
      flags.input = value;
    } else if (flag == "--seconds") {
      flags.seconds = std::strtoull(value.c_str(), nullptr, 10);
    } else if (flag == "--seed") {
      flags.seed = std::strtoull(value.c_str(), nullptr, 10);
    } else if (flag == "--list") {
      flags.list = true;
    } else if (flag == "--runs") {
      flags.runs = std::strtoull(value.c_str(), nullptr, 10);
    } else {
      std::fprintf(stderr, "entente-fuzz: unknown flag %s\n", flag.c_str());
      return false;
    }
  }
  return true;
}

}  // namespace

int main(int argc, char** argv) {
  Flags flags;
  if (!ReadFlags(argc, argv, flags)) {
    return 2;
  }
  for (const int signal : {SIGABRT, SIGSEGV, SIGBUS, SIGFPE}) {
    std::signal(signal, &KeepWhatItDiedOf);
  }
  google::protobuf::SetLogHandler(nullptr);  // It logs each string that is not UTF-8.
  size_t ran = 0;
  for (const Target& target : entente::fuzz::Targets()) {
    if (!flags.target.empty() && flags.target != target.name) {
      continue;
    }
    ++ran;
    if (flags.list) {
      std::puts(target.name);
    } else if (!flags.input.empty()) {
      target.run(ReadAll(flags.input));
    } else {
      Fuzz(target, flags, flags.corpus + "/" + target.name);
    }
  }
  if (ran == 0) {
    std::fprintf(stderr, "entente-fuzz: no target '%s'\n", flags.target.c_str());
    return 2;
  }
  return 0;
}
