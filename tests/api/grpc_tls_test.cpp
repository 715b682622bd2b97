// gRPC over TLS, with certificates that the test makes.
#include <fstream>
#include <sstream>

#include <catch2/catch.hpp>

#include "tests/api/access_fixture.h"
#include "tests/api/fixtures.h"
#include "tests/api/grpc_fixture.h"
#include "tests/net/test_certificates.h"

namespace entente::api::test::grpc_tls {
namespace {

using net::testing::Certificates;

std::string Read(const std::string& path) {
  std::ostringstream text;
  text << std::ifstream(path).rdbuf();
  return text.str();
}

GrpcOptions Showing(const Certificates& own, const Certificates* clients = nullptr) {
  const net::TlsServerOptions files{own.certificate_file(), own.key_file(),
                                    clients == nullptr ? std::string() : clients->ca_file(),
                                    net::TlsProtocol::kHttp2};
  GrpcOptions options;
  options.tls = [tls = net::TlsContext::ForServers(files).value()] { return tls; };
  return options;
}

// What asking for the health comes to, of a client that trusts `trusted` and shows `own`.
grpc::StatusCode Ask(const Grpc& server, const Certificates& trusted,
                     const Certificates* own = nullptr) {
  grpc::SslCredentialsOptions options;
  options.pem_root_certs = Read(trusted.ca_file());
  if (own != nullptr) {
    options.pem_cert_chain = own->ReadCertificate();
    options.pem_private_key = own->ReadKey();
  }
  grpc::ChannelArguments alone;
  alone.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  const auto stub = pb::Coordinator::NewStub(grpc::CreateCustomChannel(
      "localhost:" + std::to_string(server.server->port()), grpc::SslCredentials(options), alone));
  grpc::ClientContext context;
  pb::Health health;
  return stub->GetHealth(&context, {}, &health).error_code();
}

TEST_CASE("gRPC speaks TLS with who trusts its certificate, and plain text with nobody then") {
  const Certificates certificates("localhost");
  const Certificates others("localhost");
  const Certificates named("elsewhere");
  Grpc grpc(Showing(certificates));
  CHECK(Ask(grpc, certificates) == grpc::StatusCode::OK);
  CHECK(Ask(grpc, others) == grpc::StatusCode::UNAVAILABLE);
  grpc::ClientContext context;
  pb::Health health;
  CHECK(grpc.stub->GetHealth(&context, {}, &health).error_code() == grpc::StatusCode::UNAVAILABLE);
  Grpc elsewhere(Showing(named));
  CHECK(Ask(elsewhere, named) == grpc::StatusCode::UNAVAILABLE);
}

TEST_CASE("large messages and streams go through TLS whole") {
  const Certificates certificates("localhost");
  Grpc grpc(Showing(certificates));
  grpc::SslCredentialsOptions trust;
  trust.pem_root_certs = Read(certificates.ca_file());
  const auto stub = pb::Coordinator::NewStub(grpc::CreateChannel(
      "localhost:" + std::to_string(grpc.server->port()), grpc::SslCredentials(trust)));
  grpc.coordinator.AnswerWithView(CommittedStory().View());
  for (const size_t size : {size_t{1}, size_t{16} << 10, size_t{900} << 10}) {
    pb::SubmitTransactionRequest request;
    request.set_definition("trip");
    request.mutable_input()->set_string_value(std::string(size, 'x'));
    pb::Transaction transaction;
    grpc::ClientContext context;
    REQUIRE(stub->SubmitTransaction(&context, request, &transaction).ok());
    CHECK(grpc.coordinator.last_submit()->input == Json(std::string(size, 'x')));
  }
  grpc.coordinator.AnswerWithHistory(CommittedStory().History());
  pb::WatchTransactionRequest watch;
  watch.set_gid("committed-1");
  grpc::ClientContext context;
  const auto reader = stub->WatchTransaction(&context, watch);
  pb::TransactionEvent event;
  size_t events = 0;
  while (reader->Read(&event)) {
    ++events;
  }
  CHECK(reader->Finish().ok());
  CHECK(events == CommittedStory().size());
}

TEST_CASE("gRPC that asks for certificates serves those that its authorities made") {
  const Certificates own("localhost");
  const Certificates clients("client");
  const Certificates strangers("client");
  Grpc grpc(Showing(own, &clients));
  CHECK(Ask(grpc, own, &clients) == grpc::StatusCode::OK);
  CHECK(Ask(grpc, own, &strangers) == grpc::StatusCode::UNAVAILABLE);
  CHECK(Ask(grpc, own) == grpc::StatusCode::UNAVAILABLE);
}

// What pausing a transaction comes to, of a client that shows `own` and, unless it is empty, a
// token.
grpc::StatusCode Pause(const Grpc& server, const Certificates& trusted, const Certificates& own,
                       const std::string& token = "") {
  grpc::SslCredentialsOptions options;
  options.pem_root_certs = Read(trusted.ca_file());
  options.pem_cert_chain = own.ReadCertificate();
  options.pem_private_key = own.ReadKey();
  grpc::ChannelArguments alone;
  alone.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  const auto stub = pb::Coordinator::NewStub(grpc::CreateCustomChannel(
      "localhost:" + std::to_string(server.server->port()), grpc::SslCredentials(options), alone));
  grpc::ClientContext context;
  if (!token.empty()) {
    context.AddMetadata("authorization", "Bearer " + token);
  }
  pb::PauseTransactionRequest request;
  request.set_gid("t");
  request.set_actor("ceo");
  request.set_reason("r");
  pb::Transaction transaction;
  return stub->PauseTransaction(&context, request, &transaction).error_code();
}

TEST_CASE("over gRPC a certificate says who its client is, if no token does") {
  const Certificates own("localhost");
  const Certificates clients("ann.example.org");
  TokenBox tokens;
  GrpcOptions options = Showing(own, &clients);
  options.tokens = tokens.book();
  Grpc grpc(options);
  const auto know = [&tokens](const std::string& san, const std::string& role) {
    tokens.book()->Know(std::make_shared<const identity::CertificateRoles>(
        identity::CertificateRoles::Parse(R"([{"san": ")" + san + R"(", "role": ")" + role +
                                          R"("}])")
            .value()));
  };
  CHECK(Pause(grpc, own, clients) == grpc::StatusCode::UNAUTHENTICATED);
  know("DNS:bob.example.org", "operator");
  CHECK(Pause(grpc, own, clients) == grpc::StatusCode::UNAUTHENTICATED);
  know("DNS:ann.example.org", "viewer");
  CHECK(Pause(grpc, own, clients) == grpc::StatusCode::PERMISSION_DENIED);
  CHECK(grpc.coordinator.mutations() == 0);
  know("DNS:ann.example.org", "operator");
  CHECK(Pause(grpc, own, clients) == grpc::StatusCode::OK);
  CHECK(grpc.coordinator.last_operate()->actor.name == "DNS:ann.example.org");
  // A token that is shown is what counts, right or wrong.
  CHECK(Pause(grpc, own, clients, "ent_x") == grpc::StatusCode::UNAUTHENTICATED);
  CHECK(Pause(grpc, own, clients, tokens.Make(identity::Role::kViewer)) ==
        grpc::StatusCode::PERMISSION_DENIED);
}

}  // namespace
}  // namespace entente::api::test::grpc_tls
