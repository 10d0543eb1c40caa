#include "wfa.h"

APLOG_USE_MODULE(wflows_admin);

#define HANDLER_ROW(name, ...) [WF_API_ROUTE_##name] = wfa_##name,
static wfa_handler_fn *const handlers[WF_API_ROUTE_COUNT] = {
#define R HANDLER_ROW
#include "tenant/wf_route_rows.inc"
#undef R
};

wfa_handler_fn *wfa_route_handler(wf_api_route_id_t id)
{
    return handlers[id];
}
