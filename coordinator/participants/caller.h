// Caller: one worker's way to participants.
#pragma once

#include <functional>
#include <memory>

#include "coordinator/participants/gates.h"
#include "coordinator/participants/secrets.h"
#include "net/dns/srv_client.h"
#include "net/grpc/grpc_client.h"
#include "net/http/http_client.h"
#include "net/signing/ed25519.h"
#include "observe/registry.h"
#include "runtime/completion_token.h"
#include "runtime/host.h"
#include "runtime/participant_caller.h"

namespace boost::asio {
class io_context;
}

namespace entente::participants {

struct CallerOptions {
  net::HttpClientOptions http;
  net::GrpcClientOptions grpc;
  net::DnsOptions dns = {};               // Of participants whose SRV records name their endpoints.
  observe::Recorder* recorder = nullptr;  // The thread's own; outlives the caller. May be null.
  // What headers and metadata name as secrets. Null: there are none, as with a folder that is
  // empty.
  std::shared_ptr<const Secrets> secrets;
  // Calls say which span of their transaction's trace they are, in place of what its submitter
  // said.
  bool trace = false;
  // The key that signs the calls of this moment, from any thread; see net/signing. Null: calls are
  // not signed.
  std::function<std::shared_ptr<const net::SigningKey>()> signing_key = nullptr;
  // Where what is told of a call is sent to, without a slash at the end: an address of the
  // coordinator. Empty: a call that hands it on is not sent.
  std::string public_url = {};
};

// Everything on the thread that runs `io`, which is also `host`'s. All references must outlive it.
// A call waits at its participant's gate for at most its own timeout and then counts as not sent,
// so that neither an abort nor an attempt budget waits for a breaker for ever.
class Caller final : public runtime::ParticipantCaller {
 public:
  Caller(boost::asio::io_context& io, runtime::Host& host, CallerOptions options, Gates& gates,
         const runtime::CompletionTokens& tokens);
  // Calls in flight are dropped without an answer.
  ~Caller() override;

  void Call(const runtime::CallContext& context, engine::CallBranch call,
            runtime::ReplyCallback done) override;
  void WithdrawWaiting(const Gid& gid, runtime::Withdrawal which) override;
  void Poll(const runtime::CallContext& context, engine::PollBranch poll,
            runtime::ReplyCallback done) override;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace entente::participants
