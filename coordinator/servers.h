// Servers: HTTP on workers of a coordinator, sharing one port.
#pragma once

#include <functional>
#include <memory>
#include <vector>

#include "base/status.h"
#include "coordinator/config.h"
#include "net/http/http_server.h"
#include "runtime/node/worker.h"

namespace entente::coordinator {

// Used by one thread that is none of the workers', which run meanwhile. Blocks on them.
class Servers {
 public:
  using NewHandler = std::function<std::unique_ptr<net::HttpHandler>(runtime::Worker&)>;

  // Handlers are made, used and destroyed on their workers' threads.
  Servers(const std::vector<std::unique_ptr<runtime::Worker>>& workers,
          const NewHandler& new_handler, const net::HttpServerOptions& options);
  // On one alone.
  Servers(runtime::Worker& worker, const NewHandler& new_handler,
          const net::HttpServerOptions& options);
  // Closes what is left.
  ~Servers();
  Servers(const Servers&) = delete;
  Servers& operator=(const Servers&) = delete;

  // The port. Fails as HttpServer::Listen.
  [[nodiscard]] Result<uint16_t> Listen(const ListenAddress& address);

  // Of the first worker's server.
  [[nodiscard]] std::shared_ptr<net::HttpEntrance> entrance() const {
    return servers_.front()->entrance();
  }

  // HttpServer::Drain of all, for at most `grace`.
  void Drain(Duration grace);

 private:
  void Add(runtime::Worker& worker, const NewHandler& new_handler,
           const net::HttpServerOptions& options);

  std::vector<runtime::Worker*> workers_;
  std::vector<std::unique_ptr<net::HttpHandler>> handlers_;
  std::vector<std::unique_ptr<net::HttpServer>> servers_;
};

}  // namespace entente::coordinator
