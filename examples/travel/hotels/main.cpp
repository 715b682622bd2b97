#include <cstdio>

#include "examples/travel/hotels/server.h"
#include "examples/travel/services.h"

int main(int argc, char** argv) {
  return travel::Guarded("travel-hotels", [&] {
    const auto business = travel::MakeHotels();
    const auto parsed = travel::ParseOptions(argc, argv, *business, /*rest=*/false);
    if (const int* exit_code = std::get_if<int>(&parsed)) {
      return *exit_code;
    }
    const auto& options = std::get<travel::Options>(parsed);
    travel::BlockStopSignals();
    travel::HotelsServer server(*business, options);
    travel::WritePortFile(options.port_file, server.grpc_address(), server.control_address());
    std::printf("travel-hotels: serving gRPC on %s, control http://%s, from %s\n",
                server.grpc_address().c_str(), server.control_address().c_str(),
                options.db.c_str());
    std::fflush(stdout);
    travel::AwaitStopSignal();
    server.Stop();
    return 0;
  });
}
