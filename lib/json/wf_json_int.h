/* Inside lib/json. */
#ifndef WF_JSON_INT_H
#define WF_JSON_INT_H

#include "json/wf_json.h"

struct json_object;

/* The value of a json-c object that from now on belongs to `pool`; NULL is JSON null. */
wf_json_t *wf_json_own(apr_pool_t *pool, struct json_object *o);

#endif
