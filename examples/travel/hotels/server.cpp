#include "examples/travel/hotels/server.h"

#include <chrono>
#include <stdexcept>
#include <utility>

#include <grpcpp/ext/proto_server_reflection_plugin.h>
#include <grpcpp/grpcpp.h>

#include "hotels.grpc.pb.h"

namespace travel {
namespace {

std::string Metadata(const grpc::CallbackServerContext& context, const char* name) {
  const auto found = context.client_metadata().find(name);
  if (found == context.client_metadata().end()) {
    return {};
  }
  return CleanHeader({found->second.data(), found->second.size()});
}

Caller CallerOf(const grpc::CallbackServerContext& context) {
  return {Metadata(context, "entente-gid"), Metadata(context, "entente-branch"),
          Metadata(context, "entente-operation"), Metadata(context, "entente-attempt"),
          Metadata(context, "entente-epoch")};
}

grpc::Status StatusOf(const Reply& reply) {
  grpc::StatusCode code = grpc::StatusCode::UNAVAILABLE;
  switch (reply.status) {
    case 200: return grpc::Status::OK;
    case 409: code = grpc::StatusCode::FAILED_PRECONDITION; break;
    case 400:
    case 422: code = grpc::StatusCode::INVALID_ARGUMENT; break;
    default: break;
  }
  return {code, TextMember(reply.body, "error") + ": " + TextMember(reply.body, "message")};
}

void Fill(const std::string& reservation, const Json& booking, v1::Room& room) {
  room.set_reservation(reservation);
  room.set_room(booking.value("room", ""));
  room.set_city(booking.value("city", ""));
  room.set_stars(booking.value("stars", 0));
  room.set_price(booking.value("price", 0));
}

}  // namespace

class HotelsServer::Service final : public v1::Hotels::CallbackService {
 public:
  Service(Desk& desk, Reports& reports) : desk_(desk), reports_(reports) {}

  grpc::ServerUnaryReactor* Reserve(grpc::CallbackServerContext* context,
                                    const v1::ReserveRequest* request, v1::Room* room) override {
    Call call;
    call.direction = Direction::kForward;
    call.key = request->reservation();
    call.body = {{"city", request->city()}, {"stars", request->stars()}};
    call.request = "Reserve " + CleanHeader(call.key);
    return Handle(
        *context, std::move(call),
        [key = request->reservation(), room](const Json& body) { Fill(key, body, *room); });
  }

  grpc::ServerUnaryReactor* Release(grpc::CallbackServerContext* context,
                                    const v1::ReleaseRequest* request,
                                    v1::Released* released) override {
    Call call;
    call.direction = Direction::kUndo;
    call.key = request->reservation();
    call.request = "Release " + CleanHeader(call.key);
    return Handle(*context, std::move(call), [released](const Json& body) {
      released->set_reservation(body.value("reservation", ""));
      released->set_released(body.value("released", false));
    });
  }

  grpc::ServerUnaryReactor* Get(grpc::CallbackServerContext* context, const v1::GetRequest* request,
                                v1::Reservation* reservation) override {
    grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
    try {
      const auto found = reports_.Look(request->reservation());
      if (!found) {
        reactor->Finish({grpc::StatusCode::NOT_FOUND, "there is no such reservation"});
        return reactor;
      }
      reservation->set_state(found->value("state", ""));
      Fill(request->reservation(), found->at("booking"), *reservation->mutable_room());
      reactor->Finish(grpc::Status::OK);
    } catch (const SqliteError& error) {
      reactor->Finish({grpc::StatusCode::UNAVAILABLE, error.what()});
    }
    return reactor;
  }

 private:
  // `fill` writes a good answer into the response, which lives until the reactor has finished.
  template <class Fill>
  grpc::ServerUnaryReactor* Handle(grpc::CallbackServerContext& context, Call call, Fill fill) {
    call.caller = CallerOf(context);
    grpc::ServerUnaryReactor* reactor = context.DefaultReactor();
    desk_.Handle(std::move(call), [reactor, fill = std::move(fill)](const Reply& reply) {
      const grpc::Status status = StatusOf(reply);
      if (status.ok()) {
        fill(reply.body);
      }
      reactor->Finish(status);
    });
    return reactor;
  }

  Desk& desk_;
  Reports& reports_;
};

HotelsServer::HotelsServer(const Business& business, const Options& options)
    : host_(business, options, options.control, /*rest=*/false),
      service_(std::make_unique<Service>(host_.desk(), host_.reports())) {
  const auto endpoint = ParseEndpoint(options.listen);
  const std::string host = options.listen.substr(0, options.listen.rfind(':'));
  grpc::reflection::InitProtoReflectionServerBuilderPlugin();
  grpc::ServerBuilder builder;
  // Two services on one port would silently share its calls.
  builder.AddChannelArgument(GRPC_ARG_ALLOW_REUSEPORT, 0);
  int port = 0;
  builder.AddListeningPort(host + ":" + std::to_string(endpoint.port()),
                           grpc::InsecureServerCredentials(), &port);
  builder.RegisterService(service_.get());
  server_ = builder.BuildAndStart();
  if (!server_ || port == 0) {
    throw std::runtime_error("cannot listen on '" + options.listen + "': is the port taken?");
  }
  grpc_address_ = host + ":" + std::to_string(port);
  host_.Start();
}

HotelsServer::~HotelsServer() {
  Stop();
}

void HotelsServer::Stop() {
  host_.StopAccepting();
  server_->Shutdown(std::chrono::system_clock::now() + std::chrono::seconds(5));
  server_->Wait();
  host_.Stop();
}

}  // namespace travel
