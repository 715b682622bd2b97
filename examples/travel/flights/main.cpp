#include "examples/travel/common/host.h"
#include "examples/travel/services.h"

int main(int argc, char** argv) {
  return travel::RunRestService(argc, argv, *travel::MakeFlights());
}
