// The dashboard over HTTP.
#pragma once

#include "coordinator/api/rest/rest_exchange.h"
#include "dashboard/assets.h"

namespace entente::api {

// Answers with the file: 304 if the client has it (RFC 9110, 13.1.2), compressed if it may be.
void AnswerPage(Exchange& exchange, const dashboard::Asset& asset);

}  // namespace entente::api
