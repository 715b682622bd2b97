// The REST services as their callers meet them: real servers on port zero.
#include <atomic>
#include <memory>
#include <thread>
#include <utility>
#include <vector>

#include <catch2/catch.hpp>

#include "examples/travel/common/host.h"
#include "examples/travel/common/request_reader.h"
#include "examples/travel/services.h"
#include "tests/examples/http_client.h"
#include "tests/examples/scratch.h"

namespace travel {
namespace {

using test::HttpAnswer;
using test::HttpClient;

class Service {
 public:
  explicit Service(std::unique_ptr<Business> business, const Json& switches = Json::object())
      : business_(std::move(business)) {
    options_.db = scratch_.File("service.db");
    options_.switches = switches;
    Start();
  }

  void Start() {
    host_ = std::make_unique<Host>(*business_, options_, "127.0.0.1:0", /*rest=*/true);
    host_->Start();
  }
  void Stop() { host_.reset(); }

  HttpClient Connect() const { return HttpClient(host_->http_address()); }
  Host& host() { return *host_; }

  HttpAnswer Call(const std::string& method, const std::string& target,
                  const std::string& body = "", const HttpClient::Headers& headers = {}) {
    return HttpClient(host_->http_address()).Call(method, target, body, headers);
  }
  Json Get(const std::string& target) { return Call("GET", target).json(); }
  void Control(const std::string& changes) {
    REQUIRE(Call("POST", "/control", changes).status == 200);
  }

 private:
  test::Scratch scratch_;
  std::unique_ptr<Business> business_;
  Options options_;
  std::unique_ptr<Host> host_;
};

constexpr const char* kFlight = R"({"who": "Ada", "to": "Lisbon"})";

// As a connection does, which holds what was not taken until more has come.
std::string BodyInPieces(const std::string& text, size_t first, size_t second) {
  RequestReader reader;
  boost::beast::flat_buffer held;
  boost::beast::error_code error;
  for (size_t at = 0; at < text.size() && !error; ++at) {
    *static_cast<char*>(held.prepare(1).data()) = text[at];
    held.commit(1);
    if (at + 1 == first || at + 1 == second || at + 1 == text.size()) {
      reader.Read(held, error);
    }
  }
  return !error && reader.done() ? reader.request().body() : "not read: " + error.message();
}

TEST_CASE("a request is the same one wherever it is cut") {
  const std::string head = "PUT / HTTP/1.1\r\nHost: h\r\n";
  for (const auto& [rest, body] :
       {std::pair<std::string, std::string>{"Content-Length: 2\r\n\r\nab", "ab"},
        {"\r\n", ""},
        {"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n", ""},
        {"Transfer-Encoding: chunked\r\n\r\n0;a=b\r\nX: y\r\n\r\n", ""},
        {"Transfer-Encoding: chunked\r\n\r\n1\r\na\r\n2\r\nbc\r\n00\r\n\r\n", "abc"}}) {
    const std::string text = head + rest;
    for (size_t first = 0; first < text.size(); ++first) {
      for (size_t second = first; second < text.size(); ++second) {
        CAPTURE(rest, first, second);
        REQUIRE(BodyInPieces(text, first, second) == body);
      }
    }
  }
}

TEST_CASE("two requests that arrive together are both answered") {
  Service flights(MakeFlights());
  HttpClient client = flights.Connect();
  CHECK(client
            .CallRaw(
                "GET /ledger HTTP/1.1\r\nHost: h\r\n\r\nGET /nowhere HTTP/1.1\r\nHost: h\r\n\r\n")
            .status == 200);
  CHECK(client.Receive().status == 404);
}

TEST_CASE("a flight is booked, seen and given back over REST") {
  Service flights(MakeFlights());
  HttpClient client = flights.Connect();
  const HttpAnswer booked = client.Call("PUT", "/bookings/g1%2Fflight", kFlight,
                                        {{"Entente-Gid", "g1"},
                                         {"Entente-Branch", "flight"},
                                         {"Entente-Operation", "action"},
                                         {"Entente-Attempt", "2"},
                                         {"Entente-Epoch", "5"}});
  REQUIRE(booked.status == 200);
  CHECK(client.Call("PUT", "/bookings/g1%2Fflight", kFlight).text == booked.text);
  CHECK(client.Call("GET", "/bookings/g1/flight").json().at("booking") == booked.json());
  CHECK(client.Call("DELETE", "/bookings/g1/flight").status == 200);
  CHECK(client.Call("PUT", "/bookings/g1/flight", kFlight).status == 409);

  const Json rows = client.Call("GET", "/ledger").json().at("rows");
  REQUIRE(rows.size() == 2);
  CHECK(rows[0].at("gid") == "g1");
  CHECK(rows[0].at("branch") == "flight");
  CHECK(rows[0].at("operation") == "action");
  CHECK(rows[0].at("attempt") == "2");
  CHECK(rows[0].at("epoch") == "5");
  CHECK(rows[0].at("key") == "g1/flight");
  CHECK(rows[0].at("effect") == "held");
  CHECK(rows[0].at("amount") == 1);
  CHECK(rows[1].at("gid") == "");
  CHECK(rows[1].at("effect") == "released");
  CHECK(client.Call("GET", "/ledger?after=1").json().at("rows").size() == 1);
  CHECK(client.Call("GET", "/calls?limit=3").json().at("rows").size() == 3);
  CHECK(client.Call("GET", "/calls").json().at("rows")[3].at("outcome") == "undone");
}

TEST_CASE("cars are rented and returned over REST") {
  Service cars(MakeCars(), {{"capacity", 1}});
  CHECK(cars.Call("PUT", "/rentals/k1", R"({"from": "noon"})").status == 200);
  CHECK(cars.Call("PUT", "/rentals/k2", R"({"from": "noon"})").status == 409);
  CHECK(cars.Get("/summary").at("left") == 0);
  CHECK(cars.Call("DELETE", "/rentals/k1").status == 200);
  CHECK(cars.Get("/summary").at("left") == 1);
}

TEST_CASE("a charge is keyed by path or by header, a refund by path or by body") {
  Service payments(MakePayments());
  const std::string body = R"({"amount": 4200})";
  const HttpAnswer charged = payments.Call("POST", "/charges", body, {{"Idempotency-Key", "k1"}});
  REQUIRE(charged.status == 200);
  CHECK(payments.Call("PUT", "/charges/k1", body).text == charged.text);
  CHECK(payments.Call("POST", "/charges", body, {{"Idempotency-Key", "\"k1\""}}).text ==
        charged.text);
  CHECK(payments.Call("POST", "/charges", body).status == 400);

  const HttpAnswer refunded = payments.Call("POST", "/refunds", R"({"charge": "k1"})");
  CHECK(refunded.json().at("refunded") == 4200);
  CHECK(payments.Call("DELETE", "/charges/k1").text == refunded.text);
  CHECK(payments.Call("POST", "/refunds", "{}").status == 400);

  const Json summary = payments.Get("/summary");
  CHECK(summary.at("charged") == 4200);
  CHECK(summary.at("refunded") == 4200);
  CHECK(summary.at("net") == 0);
  CHECK(summary.at("held_keys").empty());
}

TEST_CASE("a call told to fail has no effect, one told to fail afterwards has") {
  Service payments(MakePayments(), {{"fail-next", 1}, {"fail-after-next", 1}});
  const std::string body = R"({"amount": 7})";
  CHECK(payments.Call("PUT", "/charges/k1", body).status == 503);
  CHECK(payments.Get("/summary").at("net") == 0);
  CHECK(payments.Call("PUT", "/charges/k1", body).status == 503);
  CHECK(payments.Get("/summary").at("net") == 7);
  CHECK(payments.Call("PUT", "/charges/k1", body).status == 200);
  CHECK(payments.Get("/summary").at("net") == 7);

  const Json calls = payments.Get("/calls").at("rows");
  REQUIRE(calls.size() == 3);
  CHECK(calls[0].at("fault") == "fail");
  CHECK(calls[1].at("fault") == "fail-after");
  CHECK(calls[1].at("outcome") == "done");
  CHECK(calls[2].at("outcome") == "repeat");
}

TEST_CASE("a payment whose answer hangs has been charged") {
  Service payments(MakePayments(), {{"hang-next", 1}, {"hang-for", "1h"}});
  HttpClient hanging = payments.Connect();
  hanging.Send("PUT", "/charges/k1", R"({"amount": 7})");
  while (payments.Get("/summary").at("net") == 0) {
    std::this_thread::yield();
  }
  CHECK(payments.Call("DELETE", "/charges/k1").json().at("refunded") == 7);
  payments.host().Stop();  // What is held back is answered when the service stops.
  CHECK(hanging.Receive().json().at("amount") == 7);
}

TEST_CASE("refused, garbage and pending answers come when told") {
  Service payments(MakePayments(), {{"refuse-next", 1}});
  const std::string body = R"({"amount": 7})";
  CHECK(payments.Call("PUT", "/charges/k1", body).status == 422);
  CHECK(payments.Get("/summary").at("net") == 0);

  payments.Control(R"({"garbage-next": 1})");
  const HttpAnswer garbage = payments.Call("PUT", "/charges/k1", body);
  CHECK(garbage.status == 200);
  CHECK(garbage.json().is_null());

  payments.Control(R"({"pending-next": 1, "pending-for": "1h"})");
  const HttpAnswer pending = payments.Call("PUT", "/charges/k2", body);
  CHECK(pending.status == 202);
  REQUIRE(pending.location == "/operations/k2");
  CHECK(payments.Call("GET", pending.location).status == 202);
  CHECK(payments.Call("PUT", "/charges/k2", body).status == 202);
  CHECK(payments.Call("DELETE", "/charges/k2").status == 200);
  CHECK(payments.Call("GET", pending.location).status == 409);
  CHECK(payments.Call("GET", pending.location + "?of=undo").status == 200);

  payments.Control(R"({"pending-next": 1, "pending-for": 0})");
  CHECK(payments.Call("PUT", "/charges/k3", body).status == 200);
  CHECK(payments.Call("GET", "/operations/k3").json().at("amount") == 7);
  CHECK(payments.Call("GET", "/operations/k4").status == 404);
}

TEST_CASE("bad requests are answered, not survived") {
  Service flights(MakeFlights());
  CHECK(flights.Call("PUT", "/bookings/k1", "{no json").status == 400);
  CHECK(flights.Call("PUT", "/bookings/k1", "[1]").status == 422);
  CHECK(flights.Call("PUT", "/bookings/", kFlight).status == 400);
  CHECK(flights.Call("PUT", "/elsewhere", kFlight).status == 404);
  CHECK(flights.Call("GET", "/elsewhere").status == 404);
  CHECK(flights.Call("PUT", "/bookings/k1", std::string(100'000, 'x')).status == 413);
  CHECK(flights.Connect().CallRaw("nonsense\r\n\r\n").status == 400);
  CHECK(flights.Call("POST", "/control", R"({"speed": 1})").status == 400);
  CHECK(flights.Call("DELETE", "/control").status == 405);
  CHECK(flights.Get("/summary").at("net") == 0);
  CHECK(flights.Call("GET", "/healthz").status == 200);
}

TEST_CASE("switches are shown and changed while the service runs") {
  Service flights(MakeFlights());
  flights.Control(R"({"capacity": 0, "delay": "1ms"})");
  CHECK(flights.Get("/control").at("capacity") == 0);
  CHECK(flights.Get("/control").at("delay") == "1ms");
  CHECK(flights.Call("PUT", "/bookings/k1", kFlight).status == 409);
  flights.Control(R"({"capacity": 1})");
  CHECK(flights.Call("PUT", "/bookings/k1", kFlight).status == 200);
}

TEST_CASE("what was answered is there after a restart") {
  Service flights(MakeFlights());
  const HttpAnswer booked = flights.Call("PUT", "/bookings/k1", kFlight);
  flights.Call("DELETE", "/bookings/never");
  flights.Stop();
  flights.Start();
  CHECK(flights.Call("PUT", "/bookings/k1", kFlight).text == booked.text);
  CHECK(flights.Call("PUT", "/bookings/never", kFlight).status == 409);
  const Json summary = flights.Get("/summary");
  CHECK(summary.at("held_keys") == Json::array({"k1"}));
  CHECK(summary.at("undone_before_done") == 1);
}

TEST_CASE("callers that race for the last seats share them exactly") {
  Service flights(MakeFlights(), {{"capacity", 25}});
  std::vector<std::thread> callers;
  std::atomic<int> booked{0};
  for (int caller = 0; caller < 8; ++caller) {
    callers.emplace_back([&, caller] {
      HttpClient client = flights.Connect();
      for (int i = 0; i < 10; ++i) {
        const std::string key = std::to_string(caller) + "-" + std::to_string(i);
        booked += client.Call("PUT", "/bookings/" + key, kFlight).status == 200 ? 1 : 0;
      }
    });
  }
  for (std::thread& caller : callers) {
    caller.join();
  }
  CHECK(booked == 25);
  const Json summary = flights.Get("/summary");
  CHECK(summary.at("net") == 25);
  CHECK(summary.at("held_keys").size() == 25);
  CHECK(flights.Get("/summary?keys=false").contains("held_keys") == false);
}

TEST_CASE("a port that is taken is an error, not a shared port") {
  Service flights(MakeFlights());
  test::Scratch scratch;
  const auto cars = MakeCars();
  Options options;
  options.db = scratch.File("cars.db");
  CHECK_THROWS_AS(Host(*cars, options, flights.host().http_address(), true),
                  boost::system::system_error);
}

}  // namespace
}  // namespace travel
