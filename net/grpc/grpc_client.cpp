#include "net/grpc/grpc_client.h"

#include <algorithm>
#include <unordered_map>

#include <boost/asio/post.hpp>

#include "net/core/local_exhaustion.h"
#include "net/grpc/grpc_channel.h"
#include "net/grpc/grpc_descriptors.h"
#include "net/grpc/proto_guard.h"
#include "net/grpc/proto_json.h"

namespace entente::net {
namespace {

using boost::asio::ip::tcp;
using Clock = Deadline::Clock;
using CallPtr = boost::intrusive_ptr<GrpcCall>;
using ChannelPtr = std::shared_ptr<GrpcChannel>;

constexpr Duration kFirstReflectionPause = std::chrono::seconds(1);
constexpr Duration kMaxReflectionPause = std::chrono::seconds(30);
constexpr Duration kResolveAgainAfter = std::chrono::seconds(1);
constexpr size_t kChannelsBeforeSweep = 1024;

struct ChannelKey {
  Origin target;
  Origin place;
  friend bool operator==(const ChannelKey&, const ChannelKey&) = default;
};

struct ChannelKeyHash {
  size_t operator()(const ChannelKey& key) const {
    return std::hash<Origin>()(key.target) * 31 + std::hash<Origin>()(key.place);
  }
};

// gRPC ends the process on metadata that it may not send, so nothing but this may reach it.
bool MayBeMetadata(std::string_view name, std::string_view value) {
  const bool name_ok =
      !name.empty() && !name.starts_with("grpc-") &&
      std::all_of(name.begin(), name.end(), [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_' || c == '.';
      });
  const bool binary = name.ends_with("-bin");
  return name_ok && (binary || std::all_of(value.begin(), value.end(),
                                           [](char c) { return c >= ' ' && c <= '~'; }));
}

}  // namespace

class GrpcClient::Impl {
 public:
  Impl(boost::asio::io_context& io, GrpcClientOptions options)
      : io_(io),
        options_(std::move(options)),
        types_(options_.max_type_bytes, options_.type_bytes),
        deadlines_(io),
        resolver_(io),
        events_(io) {}

  ~Impl() {
    ending_ = true;
    resolver_.cancel();
    CancelAll();
    for (const auto& [key, channel] : channels_) {
      AbandonQueries(*channel);
    }
    *alive_ = false;
  }

  void Call(GrpcRequest request, Duration timeout, Done done) {
    const CallPtr call(
        new GrpcCall(std::move(request), Clock::now() + timeout, options_, std::move(done)));
    calls_.push_back(*call);
    intrusive_ptr_add_ref(call.get());  // Given back by Finish.
    if (auto error = Refusal(*call)) {
      FailLater(call, std::move(*error));
      return;
    }
    call->client = this;
    call->on_status = [](void* client, GrpcCall& ended, const grpc::Status& status) {
      static_cast<Impl*>(client)->OnStatus(ended, status);
    };
    call->channel = ChannelOf(call->request);
    if (IsUsable(*call->channel)) {
      WithChannel(call);
    } else {
      Wait(call, call->channel->waiting);
      Resolve(call->channel);
    }
  }

  void CancelAll() {
    CallList cancelled;
    cancelled.swap(calls_);
    while (!cancelled.empty()) {
      GrpcCall& call = cancelled.front();
      call.on_status = nullptr;
      call.Finish(call.Error(call.running() ? CallFailure::kUnknown : CallFailure::kNotSent,
                             "call.cancelled", "the call was given up"));
    }
  }

  [[nodiscard]] size_t calls_in_flight() const { return calls_.size(); }

 private:
  using CallList = boost::intrusive::list<GrpcCall, boost::intrusive::base_hook<CallHook>,
                                          boost::intrusive::constant_time_size<false>>;

  std::optional<CallError> Refusal(GrpcCall& call) const {
    if (ending_) {
      return call.Error(CallFailure::kNotSent, "call.cancelled", "the client is shutting down");
    }
    const std::string& path = call.request.method;
    const size_t slash = path.rfind('/');
    const bool printable =
        std::all_of(path.begin(), path.end(), [](char c) { return c > ' ' && c <= '~'; });
    if (!printable || slash == std::string::npos || slash < 2 || path.front() != '/' ||
        slash + 1 == path.size()) {
      return call.Error(CallFailure::kInvalidRequest, "request.method",
                        "a method is written /package.Service/Method");
    }
    call.service = path.substr(1, slash - 1);
    call.method = path.substr(slash + 1);
    for (size_t i = 0; i < call.request.metadata.size(); ++i) {
      if (!MayBeMetadata(call.request.metadata.name(i), call.request.metadata.value(i))) {
        return call.Error(CallFailure::kInvalidRequest, "request.metadata",
                          "metadata " + std::to_string(i + 1) +
                              " has a name that is not lower-case letters, digits, '-', '_', '.', "
                              "or a value with characters outside printable ASCII");
      }
    }
    return std::nullopt;
  }

  // Ends a call from the io thread's queue, so that no callback runs inside Call.
  void FailLater(const CallPtr& call, CallError error) {
    boost::asio::post(
        io_, [call, error = std::move(error)]() mutable { call->Finish(std::move(error)); });
  }

  void Wait(const CallPtr& call, WaitingCalls& queue) {
    queue.push_back(*call);
    deadlines_.Set(*call, call->time_limit);
  }

  // The calls waiting at the moment; what follows may let others wait in the same queue.
  static std::vector<CallPtr> TakeWaiting(WaitingCalls& queue) {
    std::vector<CallPtr> calls;
    while (!queue.empty()) {
      calls.emplace_back(&queue.front());
      queue.pop_front();
    }
    return calls;
  }

  ChannelPtr ChannelOf(const GrpcRequest& request) {
    const ChannelKey key{request.target, request.connect_to.value_or(request.target)};
    ChannelPtr& channel = channels_[key];
    if (channel == nullptr) {
      if (channels_.size() > kChannelsBeforeSweep) {
        SweepChannels();
      }
      return channels_[key] = std::make_shared<GrpcChannel>(key.target, key.place);
    }
    return channel;
  }

  // Targets may come from payloads; those that no call uses need not be remembered.
  void SweepChannels() {
    std::erase_if(channels_, [](const auto& entry) {
      const ChannelPtr& channel = entry.second;
      const bool asking =
          channel != nullptr &&
          std::any_of(channel->services.begin(), channel->services.end(),
                      [](const auto& service) { return service.second.query != nullptr; });
      return channel == nullptr || (channel.use_count() == 1 && !asking);
    });
  }

  [[nodiscard]] bool IsUsable(const GrpcChannel& channel) const {
    return channel.stub != nullptr && !channel.resolve_again &&
           (channel.tls == nullptr || channel.tls == options_.tls_changes());
  }

  void Resolve(const ChannelPtr& channel) {
    if (std::exchange(channel->resolving, true)) {
      return;
    }
    const Status allowed =
        options_.policy.CheckOrigin(channel->place, AddressPolicy::Protocol::kGrpc);
    if (!allowed.ok()) {
      boost::asio::post(io_, [this, alive = alive_, channel, allowed] {
        if (*alive) {
          FailWaiting(*channel, CallFailure::kInvalidRequest, allowed.reason(), allowed.message());
        }
      });
      return;
    }
    if (options_.addresses_of) {
      boost::asio::post(io_, [this, alive = alive_, channel] {
        if (*alive) {
          OnResolved(channel, {}, GivenAddresses(channel->place));
        }
      });
      return;
    }
    try {
      resolver_.async_resolve(
          channel->place.host, std::to_string(channel->place.port),
          [this, alive = alive_, channel](const boost::system::error_code& error,
                                          const tcp::resolver::results_type& found) {
            if (*alive) {
              OnResolved(channel, error, found);
            }
          });
    } catch (const boost::system::system_error& error) {
      // The resolver could not start its thread.
      boost::asio::post(io_, [this, alive = alive_, channel, code = error.code()] {
        if (*alive) {
          OnResolved(channel, code, {});
        }
      });
    }
  }

  tcp::resolver::results_type GivenAddresses(const Origin& place) const {
    std::vector<tcp::endpoint> found;
    for (const std::string& address : options_.addresses_of(place.host)) {
      found.emplace_back(boost::asio::ip::make_address(address), place.port);
    }
    return tcp::resolver::results_type::create(found.begin(), found.end(), place.host, "");
  }

  void OnResolved(const ChannelPtr& channel, const boost::system::error_code& error,
                  const tcp::resolver::results_type& found) {
    std::vector<boost::asio::ip::address> addresses;
    Status blocked;
    for (const auto& entry : found) {
      const auto address = entry.endpoint().address();
      Status allowed = options_.policy.CheckAddress(address.to_string(), entry.endpoint().port());
      if (allowed.ok()) {
        addresses.push_back(address);
      } else {
        blocked = std::move(allowed);
      }
    }
    if (addresses.empty()) {
      if (error && (IsLocalExhaustion(error) || NoDescriptorLeft())) {
        FailWaitingLocally(*channel, error.message());
      } else if (blocked.ok()) {
        FailWaiting(*channel, CallFailure::kNotSent, "connect.resolve",
                    "its host name could not be resolved (" + error.message() + ")");
      } else {
        FailWaiting(*channel, CallFailure::kInvalidRequest, blocked.reason(), blocked.message());
      }
      return;
    }
    // Before the files are read: what is written to them meanwhile makes another one.
    const auto tls = channel->target.tls && options_.tls_changes ? options_.tls_changes() : nullptr;
    auto stub = ConnectGrpc(channel->target, addresses, channel->place.port,
                            channel->prefer_version6, options_);
    if (!stub.ok()) {
      if (NoDescriptorLeft()) {  // So a TLS file could not be read.
        FailWaitingLocally(*channel, stub.status().message());
      } else {
        // A file that is being replaced: the next call may find it whole.
        FailWaiting(*channel, CallFailure::kNotSent, stub.status().reason(),
                    stub.status().message());
      }
      return;
    }
    channel->resolving = false;
    channel->resolve_again = false;
    channel->stub = std::move(stub).value();
    channel->tls = tls;
    channel->resolved_at = Clock::now();
    for (const CallPtr& call : TakeWaiting(channel->waiting)) {
      if (!call->finished()) {
        WithChannel(call);
      }
    }
  }

  static void FailWaiting(GrpcChannel& channel, CallFailure failure, const std::string& reason,
                          const std::string& why, CallFault fault = CallFault::kPeer) {
    channel.resolving = false;
    for (const CallPtr& call : TakeWaiting(channel.waiting)) {
      call->Finish(call->Error(failure, reason, why, fault));
    }
  }

  static void FailWaitingLocally(GrpcChannel& channel, const std::string& what) {
    FailWaiting(channel, CallFailure::kNotSent, std::string(kLocalExhaustion),
                LocalExhaustionText(what), CallFault::kLocal);
  }

  // The second step: the descriptors.
  void WithChannel(const CallPtr& call) {
    if (call->request.descriptors != nullptr) {
      WithDescriptors(call, *call->request.descriptors);
      return;
    }
    GrpcService& service = call->channel->services[call->service];
    const bool let_go = service.types != nullptr;  // Unless the cache has them still.
    if (const auto shapes = types_.Use(service.types)) {
      Run(call, shapes, &service);
    } else if (service.query != nullptr || let_go || Clock::now() >= service.ask_again_at) {
      Ask(call, service);
    } else {
      FailLater(call, call->Error(CallFailure::kNotSent, service.reason, service.problem));
    }
  }

  void WithDescriptors(const CallPtr& call, const GivenDescriptors& set) {
    if (const auto known = sets_.find(set.digest); known != sets_.end()) {
      if (const auto shapes = types_.Use(known->second)) {
        Run(call, shapes, nullptr);
        return;
      }
    }
    const size_t bytes = TypeBytes(set.bytes->size());
    if (!types_.MakeRoom(bytes)) {
      FailLater(call, call->Error(CallFailure::kNotSent, std::string(kLocalExhaustion),
                                  LocalExhaustionText(NoRoomForTypes()), CallFault::kLocal));
      return;
    }
    auto shapes = ReadDescriptorSet(*set.bytes);
    if (!shapes.ok()) {
      FailLater(call, call->Error(CallFailure::kInvalidRequest, shapes.status().reason(),
                                  shapes.status().message()));
      return;
    }
    std::erase_if(sets_, [](const auto& entry) { return !TypeCache::Has(entry.second); });
    sets_.insert_or_assign(set.digest, types_.Keep(*shapes, bytes));
    Run(call, *shapes, nullptr);
  }

  std::string NoRoomForTypes() const {
    return "the message types that calls in flight use take " + std::to_string(types_.bytes()) +
           " of the " + std::to_string(options_.max_type_bytes) + " bytes that they may take";
  }

  void Ask(const CallPtr& call, GrpcService& service) {
    Wait(call, service.waiting);
    if (service.query == nullptr) {
      StartQuery(call->channel, call->service, service, false);
    }
  }

  void StartQuery(const ChannelPtr& channel, const std::string& name, GrpcService& service,
                  bool use_v1) {
    service.query =
        ReflectionQuery::Start(*channel->stub, events_, name, options_.reflection_timeout, use_v1,
                               [this, channel, name, use_v1](ReflectionResult result) {
                                 OnReflection(channel, name, use_v1, std::move(result));
                               });
  }

  void OnReflection(const ChannelPtr& channel, const std::string& name, bool use_v1,
                    ReflectionResult result) {
    GrpcService& service = channel->services[name];
    service.query = nullptr;
    if (!use_v1 && result.definite && result.error == "it has no reflection service") {
      StartQuery(channel, name, service, true);
      return;
    }
    if (result.unreachable) {
      ConnectionFailed(*channel);
    }
    if (result.error.empty()) {
      TakeFiles(service, result);
    }
    service.pause = std::clamp(service.pause * 2, kFirstReflectionPause, kMaxReflectionPause);
    // A server that was not reached may be back at any moment; one that answered changes only when
    // it is replaced.
    service.ask_again_at =
        Clock::now() + (result.error.empty() || result.definite ? service.pause : Duration::zero());
    service.reason = result.unreachable ? "connect.failed" : "reflection.failed";
    service.problem = result.error;
    if (result.failed_locally) {
      service.reason = kLocalExhaustion;
      service.problem = LocalExhaustionText(result.error);
    }
    if (!result.unreachable) {
      service.problem +=
          "; its message types are not known, so nothing was sent: switch server reflection on, or "
          "give the participant a descriptorSet";
    }
    const std::string reason = service.reason;
    const std::string problem = service.problem;
    const bool failed = !result.error.empty();
    const std::shared_ptr<GrpcShapes> shapes = types_.Use(service.types);
    for (const CallPtr& call : TakeWaiting(service.waiting)) {
      if (call->finished()) {
        continue;
      }
      // Shapes from before do not fit a call that waits here. They are the last word only if the
      // server was there to give another: one that is away may come back with a later version.
      if (failed && (shapes == nullptr || !result.definite)) {
        call->Finish(call->Error(CallFailure::kNotSent, reason, problem,
                                 result.failed_locally ? CallFault::kLocal : CallFault::kPeer));
      } else {
        Run(call, shapes, nullptr);
      }
    }
  }

  // Makes types of what reflection told, or notes in `result` why it can not.
  void TakeFiles(GrpcService& service, ReflectionResult& result) {
    size_t bytes = 0;
    for (const auto& file : result.files) {
      bytes += file.ByteSizeLong();
    }
    bytes = TypeBytes(bytes);
    if (!types_.MakeRoom(bytes)) {
      result.error = NoRoomForTypes();
      result.failed_locally = true;
      return;
    }
    auto shapes = GrpcShapes::Make(std::move(result.files));
    if (!shapes.ok()) {
      result.error = shapes.status().message();
      result.definite = true;
      return;
    }
    types_.Drop(service.types);
    service.types = types_.Keep(std::move(shapes).value(), bytes);
  }

  // The last step. `service` is null where asking again can not help, or has just been done.
  void Run(const CallPtr& call, const std::shared_ptr<GrpcShapes>& shapes, GrpcService* service) {
    const Status status = TryRun(*call, shapes, service);
    if (status.ok()) {
      return;
    }
    // The server may have been replaced by one whose messages have more fields.
    if (service != nullptr &&
        (service->query != nullptr || Clock::now() >= service->ask_again_at)) {
      Ask(call, *service);
      return;
    }
    const bool may_work_later = status.reason() == "memory.exhausted";
    FailLater(call,
              call->Error(may_work_later ? CallFailure::kNotSent : CallFailure::kInvalidRequest,
                          status.reason(), status.message()));
  }

  // Sets `service` to null where descriptors asked for again would say the same.
  Status TryRun(GrpcCall& call, const std::shared_ptr<GrpcShapes>& shapes, GrpcService*& service) {
    ENTENTE_ASSIGN_OR_RETURN(GrpcMethodShape* const shape,
                             GuardProtobuf([&]() -> Result<GrpcMethodShape*> {
                               return shapes->FindMethod(call.service, call.method);
                             }));
    if (shape == nullptr) {
      return InvalidArgument("request.method", "the service has no such method");
    }
    if (!shape->unary) {
      service = nullptr;
      return InvalidArgument("request.method", "the method streams; only unary ones can be called");
    }
    return call.Run(*call.channel->stub, events_.queue(), shapes, *shape);
  }

  void OnStatus(GrpcCall& call, const grpc::Status& status) {
    GrpcChannel& channel = *call.channel;
    if (status.error_code() == grpc::StatusCode::UNIMPLEMENTED) {
      const auto service = channel.services.find(call.service);
      if (service != channel.services.end() && Clock::now() >= service->second.ask_again_at) {
        types_.Drop(service->second.types);
      }
    } else if (status.ok()) {
      const auto service = channel.services.find(call.service);
      if (service != channel.services.end()) {
        service->second.pause = Duration::zero();
      }
    } else if (call.NeverConnected()) {
      ConnectionFailed(channel);
    }
  }

  static void ConnectionFailed(GrpcChannel& channel) {
    if (!channel.resolve_again && Clock::now() >= channel.resolved_at + kResolveAgainAfter) {
      channel.resolve_again = true;  // The name may lead elsewhere by now.
      channel.prefer_version6 = !channel.prefer_version6;
    }
  }

  static void AbandonQueries(GrpcChannel& channel) {
    for (auto& [name, service] : channel.services) {
      if (service.query != nullptr) {
        std::exchange(service.query, nullptr)->Abandon();
      }
    }
  }

  boost::asio::io_context& io_;
  const GrpcClientOptions options_;
  TypeCache types_;
  std::unordered_map<std::string, TypeCache::Handle> sets_;  // Of descriptor sets, by digest.
  bool ending_ = false;
  // Tells handlers that Asio still runs after this object's end.
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
  Deadlines deadlines_;
  boost::asio::ip::basic_resolver<tcp, boost::asio::io_context::executor_type> resolver_;
  std::unordered_map<ChannelKey, ChannelPtr, ChannelKeyHash> channels_;
  CallList calls_;
  GrpcEvents events_;  // Last, hence ended first: its events use the rest.
};

Result<std::shared_ptr<GrpcShapes>> ReadDescriptorSet(std::string_view descriptor_set) {
  return GuardProtobuf([&]() -> Result<std::shared_ptr<GrpcShapes>> {
    google::protobuf::FileDescriptorSet set;
    size_t memory = limits::kMaxMessageMemoryBytes;
    if (const Status parsed = ParseMessage(descriptor_set, set, memory); !parsed.ok()) {
      return InvalidDescriptors("the bytes are not a google.protobuf.FileDescriptorSet (" +
                                parsed.message() + ")");
    }
    return GrpcShapes::Make({std::make_move_iterator(set.mutable_file()->begin()),
                             std::make_move_iterator(set.mutable_file()->end())});
  });
}

void SilenceProtobuf() {
  google::protobuf::SetLogHandler(nullptr);
}

Result<std::vector<std::string>> UnaryMethods(std::string_view descriptor_set) {
  ENTENTE_ASSIGN_OR_RETURN(const auto shapes, ReadDescriptorSet(descriptor_set));
  return shapes->UnaryMethods();
}

GrpcClient::GrpcClient(boost::asio::io_context& io, GrpcClientOptions options)
    : impl_(std::make_unique<Impl>(io, std::move(options))) {}

GrpcClient::~GrpcClient() = default;

void GrpcClient::Call(GrpcRequest request, Duration timeout, Done done) {
  impl_->Call(std::move(request), timeout, std::move(done));
}

void GrpcClient::CancelAll() {
  impl_->CancelAll();
}

size_t GrpcClient::calls_in_flight() const {
  return impl_->calls_in_flight();
}

}  // namespace entente::net
