// Runs the command line in this process, with its streams captured.
#pragma once

#include <string>
#include <vector>

namespace entente::cli::test {

struct Ran {
  int exit_code = 0;
  std::string out;
  std::string err;
};

struct Setup {
  std::string in = {};  // Standard input.
  bool color = false;
  bool live = false;
};

// `arguments` are those after "entente".
[[nodiscard]] Ran Run(const std::vector<std::string>& arguments, const Setup& setup = {});

// A file with `content` that is gone with the object.
class ScratchFile {
 public:
  explicit ScratchFile(const std::string& content, const std::string& ending = "");
  ~ScratchFile();
  ScratchFile(const ScratchFile&) = delete;
  ScratchFile& operator=(const ScratchFile&) = delete;

  [[nodiscard]] const std::string& path() const { return path_; }

 private:
  std::string path_;
};

}  // namespace entente::cli::test
