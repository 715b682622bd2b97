// gRPC over TLS, with certificates that the test makes.
#include <fstream>
#include <sstream>

#include <catch2/catch.hpp>

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

}  // namespace
}  // namespace entente::api::test::grpc_tls
