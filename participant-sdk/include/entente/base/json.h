// Stands for base/json.h in the source tree. What is installed at this place is that header itself.
#pragma once

#include "base/json.h"
