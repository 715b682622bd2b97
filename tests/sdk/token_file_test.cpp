#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <string>
#include <vector>

#include <unistd.h>

#include <catch2/catch.hpp>

#include "entente/client.h"
#include "tests/sdk/canned_server.h"

namespace entente::sdk::token_file_test {
namespace {

using test::Canned;
using test::CannedServer;

class File {
 public:
  explicit File(const std::string& content) {
    close(mkstemp(path_.data()));
    Write(content);
  }
  ~File() { std::remove(path_.c_str()); }
  File(const File&) = delete;
  File& operator=(const File&) = delete;

  void Write(const std::string& content) const { std::ofstream(path_) << content; }
  [[nodiscard]] const std::string& path() const { return path_; }

 private:
  std::string path_ = "/tmp/entente-token-XXXXXX";
};

// The value of the Authorization that came, or nothing; "2" for more than one.
std::string Authorization(const test::Seen& seen) {
  constexpr std::string_view kName = "Authorization: ";
  const size_t at = seen.head.find(kName);
  if (at == std::string::npos) {
    return "";
  }
  const size_t begin = at + kName.size();
  return seen.head.find(kName, begin) == std::string::npos
             ? seen.head.substr(begin, seen.head.find("\r\n", begin) - begin)
             : "2";
}

TEST_CASE("the token of a file is shown, and another one once it is written there") {
  const File file("ent_a_1\n");
  CannedServer server(std::vector<Canned>(3));
  Client client({.server = server.url(), .token_file = file.path()});
  REQUIRE(client.Participants().ok());
  file.Write("  ent_b_2\r\n");
  REQUIRE(client.Participants().ok());
  CHECK(Authorization(server.seen().at(0)) == "Bearer ent_a_1");
  CHECK(Authorization(server.seen().at(1)) == "Bearer ent_b_2");
}

TEST_CASE("a watch shows the token too") {
  const File file("ent_a_1");
  CannedServer server({{.status = 204, .body = ""}});
  Client client({.server = server.url(), .token_file = file.path()});
  REQUIRE(client.Watch("g", 0, [](const Event&) { return true; }).ok());
  CHECK(Authorization(server.seen().at(0)) == "Bearer ent_a_1");
}

TEST_CASE("the environment names the file where the options do not") {
  const File file("ent_env_1");
  const File chosen("ent_chosen_1");
  CannedServer server(std::vector<Canned>(3));
  setenv("ENTENTE_TOKEN_FILE", file.path().c_str(), 1);
  CHECK(Client({.server = server.url()}).Participants().ok());
  CHECK(Client({.server = server.url(), .token_file = chosen.path()}).Participants().ok());
  CHECK(Client({.server = server.url(), .headers = {{"authorization", "Bearer own"}}})
            .Participants()
            .ok());
  unsetenv("ENTENTE_TOKEN_FILE");
  CHECK(Authorization(server.seen().at(0)) == "Bearer ent_env_1");
  CHECK(Authorization(server.seen().at(1)) == "Bearer ent_chosen_1");
  CHECK(server.seen().at(2).head.find("Bearer ent") == std::string::npos);
}

TEST_CASE("what is no token is not sent, and not shown either") {
  for (const std::string& content :
       {std::string(), std::string(" \n"), std::string("two words"), std::string("a\r\nX-Evil: 1"),
        std::string("t\xC3\xA9"), std::string(5000, 'x')}) {
    const File file(content);
    CannedServer server(std::vector<Canned>(1));
    Client client({.server = server.url(), .token_file = file.path()});
    const Status status = client.Participants().status();
    CHECK(status.reason() == "client.bad_token_file");
    CHECK(status.message().find("Evil") == std::string::npos);
    CHECK(server.seen().empty());
  }
  Client client({.server = "http://127.0.0.1:1", .token_file = "/nonexistent/token"});
  CHECK(client.Participants().status().reason() == "client.bad_token_file");
}

}  // namespace
}  // namespace entente::sdk::token_file_test
