// Each process of these tests is a real one: it marks what it works on, and ends as the test says.
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <string>

#include <catch2/catch.hpp>

#include "marks/crash_marks.h"

namespace entente::marks {
namespace {

class Folder {
 public:
  Folder() {
    std::string name = (std::filesystem::temp_directory_path() / "marks-XXXXXX").string();
    REQUIRE(mkdtemp(name.data()) != nullptr);
    path_ = name;
  }
  ~Folder() { std::filesystem::remove_all(path_); }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;

  [[nodiscard]] std::string file() const { return path_ / "store-marks"; }

 private:
  std::filesystem::path path_;
};

// Runs `work` in a process that has the marks open; how that process ended.
int InProcess(const std::string& file, const std::function<void(CrashMarks&)>& work) {
  const pid_t child = fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    for (const int signal : {SIGABRT, SIGSEGV, SIGBUS, SIGFPE, SIGILL}) {
      std::signal(signal, SIG_DFL);  // The test program's own report is not wanted.
    }
    auto marks = CrashMarks::Open(file);
    if (!marks.ok()) {
      _exit(99);
    }
    work(**marks);
    marks->reset();
    _exit(0);
  }
  int status = 0;
  REQUIRE(waitpid(child, &status, 0) == child);
  return status;
}

void ThrowSomething() {
  throw 1;
}

bool Condemned(const std::string& file, const std::string& name) {
  const auto marks = CrashMarks::Open(file);
  REQUIRE(marks.ok());
  return (*marks)->IsCondemned(name);
}

void Crash(const std::string& file, const std::string& name, int signal = SIGABRT) {
  const int status = InProcess(file, [&](CrashMarks&) {
    const WorkScope outer("bystander");
    const WorkScope scope(name);
    std::raise(signal);
  });
  REQUIRE(WIFSIGNALED(status));
  REQUIRE(WTERMSIG(status) == signal);
}

TEST_CASE("what caused two crashes is condemned, whatever the signal and what came between") {
  for (const int signal : {SIGABRT, SIGSEGV, SIGBUS, SIGFPE, SIGILL}) {
    const Folder folder;
    Crash(folder.file(), "poison", signal);
    CHECK_FALSE(Condemned(folder.file(), "poison"));
    Crash(folder.file(), "poison", signal);
    CHECK(Condemned(folder.file(), "poison"));
    CHECK_FALSE(Condemned(folder.file(), "bystander"));
  }
}

TEST_CASE("an uncaught exception is a crash of what threw it") {
  const Folder folder;
  for (int i = 0; i < 2; ++i) {
    InProcess(folder.file(), [](CrashMarks&) {
      const WorkScope scope("poison");
      []() noexcept { ThrowSomething(); }();
    });
  }
  CHECK(Condemned(folder.file(), "poison"));
}

TEST_CASE("a mapped file that somebody cut is no fault of what looks into it") {
  for (const bool of_the_marks : {false, true}) {
    const Folder folder;
    for (int i = 0; i < CrashMarks::kMaxKills; ++i) {
      const int status = InProcess(folder.file(), [&](CrashMarks&) {
        const std::string path = of_the_marks ? folder.file() : folder.file() + "-mapped";
        const int file = open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
        if (!of_the_marks && ftruncate(file, 4096) != 0) {
          _exit(99);
        }
        void* mapped = mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
        const WorkScope scope("reader");
        if (mapped == MAP_FAILED || ftruncate(file, 0) != 0) {
          _exit(99);
        }
        if (of_the_marks) {
          const WorkScope next("next");
        }
        *static_cast<volatile char*>(mapped) = 1;
      });
      REQUIRE(WIFSIGNALED(status));
      CHECK(WTERMSIG(status) == SIGBUS);
    }
    CHECK_FALSE(Condemned(folder.file(), "reader"));
  }
}

TEST_CASE("a crash outside of any work blames nobody") {
  const Folder folder;
  for (int i = 0; i < 3; ++i) {
    InProcess(folder.file(), [](CrashMarks&) {
      { const WorkScope scope("done before"); }
      std::abort();
    });
  }
  CHECK_FALSE(Condemned(folder.file(), "done before"));
}

TEST_CASE("a kill condemns only what was being worked on three times in a row") {
  const Folder folder;
  const auto kill = [&](const std::string& name) {
    InProcess(folder.file(), [&](CrashMarks&) {
      const WorkScope scope(name);
      std::raise(SIGKILL);
    });
  };
  kill("greedy");
  kill("greedy");
  kill("another");
  kill("greedy");
  kill("greedy");
  CHECK_FALSE(Condemned(folder.file(), "greedy"));  // Which is an end in between, too.
  kill("greedy");
  kill("greedy");
  kill("greedy");
  CHECK(Condemned(folder.file(), "greedy"));
  CHECK_FALSE(Condemned(folder.file(), "another"));
}

TEST_CASE("a kill says nothing against what had let an answer out, and a crash does") {
  const Folder folder;
  const auto end_after_answer = [&](int signal) {
    InProcess(folder.file(), [&](CrashMarks&) {
      const WorkScope outer("outer");
      const WorkScope scope("answering");
      LetOut();
      { const WorkScope nested("nested"); }
      std::raise(signal);
    });
  };
  for (int i = 0; i < CrashMarks::kMaxKills; ++i) {
    end_after_answer(SIGKILL);
  }
  CHECK_FALSE(Condemned(folder.file(), "answering"));
  CHECK_FALSE(Condemned(folder.file(), "outer"));
  for (int i = 0; i < CrashMarks::kMaxCrashes; ++i) {
    end_after_answer(SIGABRT);
  }
  CHECK(Condemned(folder.file(), "answering"));
}

TEST_CASE("what is worked on within or after an answer's scope is suspected as ever") {
  const Folder folder;
  for (int i = 0; i < CrashMarks::kMaxKills; ++i) {
    InProcess(folder.file(), [](CrashMarks&) {
      const WorkScope outer("outer");
      {
        const WorkScope scope("answering");
        LetOut();
      }
      const WorkScope next("greedy");
      std::raise(SIGKILL);
    });
  }
  CHECK(Condemned(folder.file(), "greedy"));
  CHECK_FALSE(Condemned(folder.file(), "outer"));
}

TEST_CASE("an end on purpose blames nobody, however it comes about") {
  const Folder folder;
  for (int i = 0; i < 4; ++i) {
    InProcess(folder.file(), [](CrashMarks& marks) {
      const WorkScope scope("busy");
      marks.EndWell();
      _exit(3);
    });
  }
  CHECK_FALSE(Condemned(folder.file(), "busy"));
}

TEST_CASE("what is forgiven is condemned again by one more crash") {
  const Folder folder;
  Crash(folder.file(), "poison");
  Crash(folder.file(), "poison");
  {
    const auto marks = CrashMarks::Open(folder.file());
    REQUIRE(marks.ok());
    (*marks)->Forgive("poison");
    CHECK_FALSE((*marks)->IsCondemned("poison"));
  }
  CHECK_FALSE(Condemned(folder.file(), "poison"));
  Crash(folder.file(), "poison");
  CHECK(Condemned(folder.file(), "poison"));
}

TEST_CASE("more suspects than there is room for leave the worst in their places") {
  const Folder folder;
  Crash(folder.file(), "poison");
  Crash(folder.file(), "poison");
  for (int i = 0; i < 80; ++i) {
    Crash(folder.file(), "passing-" + std::to_string(i));
  }
  CHECK(Condemned(folder.file(), "poison"));
}

TEST_CASE("a file that holds anything else is begun anew") {
  const Folder folder;
  for (const size_t bytes : {size_t{0}, size_t{10}, size_t{400'000}}) {
    std::ofstream(folder.file(), std::ios::binary) << std::string(bytes, 'x');
    CHECK_FALSE(Condemned(folder.file(), "anything"));
    CHECK_FALSE(Condemned(folder.file(), std::string(40, 'x')));
  }
}

TEST_CASE("a link in the place of the file is not followed") {
  const Folder folder;
  const std::string target = folder.file() + "-elsewhere";
  std::ofstream(target) << "precious";
  std::filesystem::create_symlink(target, folder.file());
  CHECK(CrashMarks::Open(folder.file()).status().reason() == "marks.unavailable");
  CHECK(std::filesystem::file_size(target) == 8);
}

}  // namespace
}  // namespace entente::marks
