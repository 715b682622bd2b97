#include "net/grpc/grpc_events.h"

#include <boost/asio/post.hpp>

namespace entente::net {

GrpcEvents::GrpcEvents(boost::asio::io_context& io)
    : io_(io), inbox_(std::make_shared<Inbox>()), thread_([this] { Run(); }) {}

GrpcEvents::~GrpcEvents() {
  queue_.Shutdown();
  thread_.join();
  inbox_->Deliver();
}

void GrpcEvents::Run() {
  void* tag = nullptr;
  bool ok = false;
  while (queue_.Next(&tag, &ok)) {
    bool must_post = false;
    {
      const std::lock_guard lock(inbox_->mutex);
      inbox_->completions.push_back(Completion{static_cast<GrpcEvent*>(tag), ok});
      must_post = !std::exchange(inbox_->posted, true);
    }
    if (must_post) {
      boost::asio::post(io_, [inbox = inbox_] { inbox->Deliver(); });
    }
  }
}

void GrpcEvents::Inbox::Deliver() {
  std::vector<Completion> batch;
  {
    const std::lock_guard lock(mutex);
    posted = false;
    batch.swap(completions);
    completions.swap(spare);
  }
  for (const Completion& completion : batch) {
    completion.event->OnEvent(completion.ok);
  }
  batch.clear();
  spare.swap(batch);
}

}  // namespace entente::net
