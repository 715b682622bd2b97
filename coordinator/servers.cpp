#include "coordinator/servers.h"

#include <future>
#include <utility>

namespace entente::coordinator {
namespace {

template <class Task>
void OnWorker(runtime::Worker& worker, const Task& task) {
  // Shared: whoever waits may be gone before set_value returns.
  const auto done = std::make_shared<std::promise<void>>();
  worker.Post([done, &task] {
    task();
    done->set_value();
  });
  done->get_future().wait();
}

}  // namespace

Servers::Servers(const std::vector<std::unique_ptr<runtime::Worker>>& workers,
                 const NewHandler& new_handler, const net::HttpServerOptions& options) {
  for (const auto& worker : workers) {
    Add(*worker, new_handler, options);
  }
}

Servers::Servers(runtime::Worker& worker, const NewHandler& new_handler,
                 const net::HttpServerOptions& options) {
  Add(worker, new_handler, options);
}

void Servers::Add(runtime::Worker& worker, const NewHandler& new_handler,
                  const net::HttpServerOptions& options) {
  workers_.push_back(&worker);
  OnWorker(worker, [&] {
    handlers_.push_back(new_handler(worker));
    servers_.push_back(std::make_unique<net::HttpServer>(worker.io(), *handlers_.back(), options));
  });
}

Servers::~Servers() {
  for (size_t i = 0; i < servers_.size(); ++i) {
    OnWorker(*workers_[i], [&] {
      servers_[i].reset();
      handlers_[i].reset();
    });
  }
}

Result<uint16_t> Servers::Listen(const ListenAddress& address) {
  // Alone first: on a shared port the kernel would let another process of ours listen too.
  uint16_t port = address.port;
  Result<uint16_t> bound = Internal("listen.failed", "not tried");
  OnWorker(*workers_[0], [&] {
    net::HttpServer alone(workers_[0]->io(), *handlers_[0], {});
    bound = alone.Listen(address.host, port, false);
  });
  for (size_t i = 0; bound.ok() && i < servers_.size(); ++i) {
    OnWorker(*workers_[i],
             [&] { bound = servers_[i]->Listen(address.host, port, servers_.size() > 1); });
    port = bound.ok() ? *bound : port;
  }
  return bound;
}

void Servers::Drain(Duration grace) {
  std::vector<std::future<void>> drained;
  for (size_t i = 0; i < servers_.size(); ++i) {
    auto done = std::make_shared<std::promise<void>>();
    drained.push_back(done->get_future());
    OnWorker(*workers_[i], [&] { servers_[i]->Drain([done] { done->set_value(); }); });
  }
  const auto deadline = std::chrono::steady_clock::now() + grace;
  for (auto& one : drained) {
    one.wait_until(deadline);
  }
}

}  // namespace entente::coordinator
