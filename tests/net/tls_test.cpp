// HTTP over TLS, client and server.
#include "net/core/tls_files.h"

#include <filesystem>
#include <fstream>
#include <functional>
#include <future>
#include <optional>

#include <catch2/catch.hpp>

#include "net/http/http_client.h"
#include "net/http/http_server.h"
#include "tests/net/loopback.h"
#include "tests/net/test_certificates.h"

namespace entente::net {
namespace {

using testing::Certificates;
using testing::Connection;
using testing::Loop;
using testing::Peer;

// Answers "hold" when another request says "go on".
class Echo final : public HttpHandler {
 public:
  void Handle(HttpServerRequest request, Responder responder) override {
    if (request.body == "hold") {
      held_.emplace(std::move(responder));
      return;
    }
    if (request.body == "go on") {
      std::move(*held_).Respond({});
      held_.reset();
    }
    HttpServerResponse response;
    response.headers.Add("x-names", request.client_names == nullptr || request.client_names->empty()
                                        ? ""
                                        : request.client_names->front());
    response.headers.Add("x-tls", request.tls ? "yes" : "no");
    response.body = std::move(request.body);
    std::move(responder).Respond(std::move(response));
  }

 private:
  std::optional<Responder> held_;
};

class Fixture {
 public:
  explicit Fixture(const TlsServerOptions& options)
      : Fixture([tls = TlsContext::ForServers(options).value()] { return tls; }) {}
  explicit Fixture(std::function<std::shared_ptr<const TlsContext>()> tls) {
    HttpServerOptions server_options;
    server_options.tls = std::move(tls);
    port_ = loop_.Run([&] {
      server_ = std::make_unique<HttpServer>(loop_.io(), echo_, server_options);
      return server_->Listen("127.0.0.1", 0, false).value();
    });
  }
  ~Fixture() {
    loop_.Run([&] {
      client_.reset();
      server_.reset();
    });
  }

  void UseClient(const TlsClientOptions& options) {
    UseClient(Always(TlsContext::ForClients(options).value()));
  }
  void UseClient(TlsSource tls) {
    HttpClientOptions client_options;
    client_options.tls = std::move(tls);
    loop_.Run([&] { client_ = std::make_unique<HttpClient>(loop_.io(), client_options); });
  }
  HttpOutcome Call(const std::string& host, std::string body = "{}") {
    return Start(host, std::move(body)).get();
  }
  // Of `host`, at 127.0.0.1.
  HttpOutcome CallHere(const std::string& host) {
    return Start(host, "{}", Origin{true, "127.0.0.1", port_}).get();
  }
  std::future<HttpOutcome> Start(const std::string& host, std::string body,
                                 std::optional<Origin> connect_to = std::nullopt) {
    auto promise = std::make_shared<std::promise<HttpOutcome>>();
    loop_.Run([&] {
      HttpRequest request;
      request.url = ParseUrl("https://" + host + ":" + std::to_string(port_) + "/").value();
      request.connect_to = std::move(connect_to);
      request.body = std::move(body);
      client_->Call(std::move(request), std::chrono::minutes(5),
                    [promise](HttpOutcome outcome) { promise->set_value(std::move(outcome)); });
    });
    return promise->get_future();
  }
  HttpClient::Stats Stats() {
    return loop_.Run([&] { return client_->stats(); });
  }
  [[nodiscard]] uint16_t port() const { return port_; }

 private:
  Echo echo_;
  std::unique_ptr<HttpServer> server_;
  std::unique_ptr<HttpClient> client_;
  uint16_t port_ = 0;
  Loop loop_;
};

const HttpResponse& Response(const HttpOutcome& outcome) {
  if (const auto* error = std::get_if<CallError>(&outcome)) {
    FAIL(error->reason << ": " << error->message);
  }
  return std::get<HttpResponse>(outcome);
}

void CheckNotSent(const HttpOutcome& outcome) {
  REQUIRE(std::holds_alternative<CallError>(outcome));
  CHECK(std::get<CallError>(outcome).failure == CallFailure::kNotSent);
  CHECK(std::get<CallError>(outcome).reason == "connect.tls");
}

TlsServerOptions ServerOptions(const Certificates& certificates) {
  TlsServerOptions options;
  options.certificate_file = certificates.certificate_file();
  options.key_file = certificates.key_file();
  return options;
}

TlsClientOptions Trusting(const Certificates& certificates) {
  TlsClientOptions options;
  options.ca_file = certificates.ca_file();
  return options;
}

}  // namespace

TEST_CASE("calls over TLS are answered and share a connection") {
  const Certificates certificates("localhost");
  Fixture fixture(ServerOptions(certificates));
  fixture.UseClient(Trusting(certificates));
  std::string large;
  for (int i = 0; large.size() < 900'000; ++i) {
    large += std::to_string(i);
  }
  for (const std::string& body : {std::string("small"), large, std::string()}) {
    const HttpOutcome outcome = fixture.Call("localhost", body);
    CHECK(Response(outcome).headers.Find("x-tls") == "yes");
    CHECK((Response(outcome).body == body));
  }
  CHECK(fixture.Stats().connections_opened == 1);
}

TEST_CASE("a certificate is held to whom the call is of, not to where it is sent") {
  const Certificates service("example.test");
  Fixture fixture(ServerOptions(service));
  fixture.UseClient(Trusting(service));
  CHECK(Response(fixture.CallHere("example.test")).status == 200);
  CheckNotSent(fixture.CallHere("other.test"));
  // Each has connections of its own.
  CHECK(Response(fixture.CallHere("example.test")).status == 200);
  CHECK(fixture.Stats().connections_opened == 2);
}

TEST_CASE(
    "a certificate for another name or by another authority is refused before anything is sent") {
  const Certificates certificates("localhost");
  const Certificates others("localhost");
  Fixture fixture(ServerOptions(certificates));
  fixture.UseClient(Trusting(certificates));
  CheckNotSent(fixture.Call("127.0.0.1"));
  fixture.UseClient(Trusting(others));
  CheckNotSent(fixture.Call("localhost"));
}

TEST_CASE("a certificate for an address serves that address") {
  const Certificates certificates("127.0.0.1");
  Fixture fixture(ServerOptions(certificates));
  fixture.UseClient(Trusting(certificates));
  CHECK(Response(fixture.Call("127.0.0.1")).status == 200);
}

TEST_CASE("a server that asks for client certificates serves only those it trusts") {
  const Certificates server_side("localhost");
  const Certificates client_side("client");
  const Certificates stranger("client");
  TlsServerOptions options = ServerOptions(server_side);
  options.client_ca_file = client_side.ca_file();
  Fixture fixture(options);
  TlsClientOptions with = Trusting(server_side);
  with.certificate_file = client_side.certificate_file();
  with.key_file = client_side.key_file();
  fixture.UseClient(with);
  CHECK(Response(fixture.Call("localhost")).status == 200);
  // In TLS 1.3 the client learns of the refusal only after it has begun to send.
  fixture.UseClient(Trusting(server_side));
  CHECK(std::holds_alternative<CallError>(fixture.Call("localhost")));
  with.certificate_file = stranger.certificate_file();
  with.key_file = stranger.key_file();
  fixture.UseClient(with);
  CHECK(std::holds_alternative<CallError>(fixture.Call("localhost")));
}

TEST_CASE("plain text to a TLS server and TLS to a plain server fail cleanly") {
  const Certificates certificates("localhost");
  Fixture fixture(ServerOptions(certificates));
  Connection plain(fixture.port());
  plain.Write("GET / HTTP/1.1\r\nHost: h\r\n\r\n");
  CHECK(plain.ReadToEnd().find("HTTP/1.1 200") == std::string::npos);

  Peer peer([](Connection& connection, int) {
    connection.ReadExactly(1);
    connection.Write("HTTP/1.1 400 Bad Request\r\n\r\n");
    connection.ReadToEnd();
  });
  Loop loop;
  std::unique_ptr<HttpClient> client;
  std::promise<HttpOutcome> promise;
  loop.Run([&] {
    HttpClientOptions options;
    options.tls = Always(TlsContext::ForClients(Trusting(certificates)).value());
    client = std::make_unique<HttpClient>(loop.io(), options);
    HttpRequest request;
    request.url = ParseUrl("https://localhost:" + std::to_string(peer.port())).value();
    client->Call(std::move(request), std::chrono::minutes(5),
                 [&](HttpOutcome outcome) { promise.set_value(std::move(outcome)); });
  });
  CheckNotSent(promise.get_future().get());
  loop.Run([&] { client.reset(); });
}

TEST_CASE("TLS files that can not be used are named") {
  const Certificates certificates("localhost");
  TlsServerOptions options = ServerOptions(certificates);
  options.key_file = "/nonexistent.pem";
  const auto server = TlsContext::ForServers(options);
  REQUIRE_FALSE(server.ok());
  CHECK(server.status().message().find("/nonexistent.pem") != std::string::npos);
  CHECK(server.status().message().find("No such file or directory") != std::string::npos);
  // A key that is not the certificate's.
  options.key_file = Certificates("other").key_file();
  CHECK_FALSE(TlsContext::ForServers(options).ok());
  TlsClientOptions client_options;
  client_options.ca_file = certificates.key_file();
  CHECK_FALSE(TlsContext::ForClients(client_options).ok());
}

TEST_CASE("a certificate that is replaced is shown to new connections, and cuts off none") {
  namespace fs = std::filesystem;
  const Certificates first("localhost");
  const Certificates second("localhost");
  const Certificates shown("localhost");  // Whose files the server has.
  const auto put = [&shown](const Certificates& from, bool certificate, bool key) {
    const auto copy = fs::copy_options::overwrite_existing;
    if (certificate) {
      fs::copy_file(from.certificate_file(), shown.certificate_file(), copy);
    }
    if (key) {
      fs::copy_file(from.key_file(), shown.key_file(), copy);
    }
  };
  put(first, true, true);
  const auto files = TlsFiles::ForServers(ServerOptions(shown)).value();
  CHECK_FALSE(files->Refresh().value());
  Fixture fixture([files] { return files->current(); });
  fixture.UseClient(Trusting(first));
  CHECK(Response(fixture.Call("localhost")).status == 200);

  // Of another key: half of the two files is there.
  put(second, true, false);
  CHECK(files->Refresh().status().reason() == "tls.invalid");
  CHECK(Response(fixture.Call("localhost")).status == 200);
  CHECK(fixture.Stats().connections_opened == 1);
  put(second, false, true);
  CHECK(files->Refresh().value());
  CHECK_FALSE(files->Refresh().value());

  CHECK(Response(fixture.Call("localhost")).status == 200);  // On the connection that it has.
  CHECK(fixture.Stats().connections_opened == 1);
  fixture.UseClient(Trusting(first));
  CheckNotSent(fixture.Call("localhost"));
  fixture.UseClient(Trusting(second));
  CHECK(Response(fixture.Call("localhost")).status == 200);
  CHECK(TlsFiles::ForServers({"/nonexistent.pem", "/nonexistent.pem", ""}).status().reason() ==
        "tls.invalid");
}

TEST_CASE("a client's certificate that is replaced is shown from the next call on, and ends none") {
  namespace fs = std::filesystem;
  const Certificates server_side("localhost");
  const Certificates first("first");
  const Certificates second("second");
  const Certificates shown("shown");  // Whose files the client has.
  const auto put = [&shown](const std::string& certificate, const std::string& key) {
    const auto copy = fs::copy_options::overwrite_existing;
    fs::copy_file(certificate, shown.certificate_file(), copy);
    fs::copy_file(key, shown.key_file(), copy);
  };
  const auto trust = [&shown](const Certificates& client) {
    fs::copy_file(client.ca_file(), shown.ca_file(), fs::copy_options::overwrite_existing);
  };
  trust(first);
  TlsServerOptions options = ServerOptions(server_side);
  options.client_ca_file = shown.ca_file();
  const auto server_files = TlsFiles::ForServers(options).value();
  Fixture fixture([server_files] { return server_files->current(); });
  put(first.certificate_file(), first.key_file());
  TlsClientOptions with = Trusting(server_side);
  with.certificate_file = shown.certificate_file();
  with.key_file = shown.key_file();
  const auto files = TlsFiles::ForClients(with).value();
  fixture.UseClient([files] { return files->current(); });
  const auto shown_name = [&fixture] {
    return Response(fixture.Call("localhost")).headers.Find("x-names").value_or("none");
  };
  CHECK(shown_name() == "DNS:first");
  auto held = fixture.Start("localhost", "hold");
  CHECK(shown_name() == "DNS:first");

  // Half of it is there: nothing changes.
  put(second.certificate_file(), first.key_file());
  CHECK(files->Refresh().status().reason() == "tls.invalid");
  CHECK(shown_name() == "DNS:first");
  CHECK(fixture.Stats().connections_opened == 2);
  put(second.certificate_file(), second.key_file());
  trust(second);
  CHECK(server_files->Refresh().value());
  CHECK(shown_name() == "DNS:first");  // On the connection that it has.
  CHECK(files->Refresh().value());
  CHECK(shown_name() == "DNS:second");
  CHECK(fixture.Stats().connections_opened == 3);
  CHECK(Response(fixture.Call("localhost", "go on")).status == 200);
  CHECK(Response(held.get()).status == 200);
  CHECK(shown_name() == "DNS:second");
  CHECK(fixture.Stats().connections_opened == 3);
}

}  // namespace entente::net
