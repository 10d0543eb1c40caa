/* Inside lib/json. */
#ifndef WF_JSON_INT_H
#define WF_JSON_INT_H

#include "json/wf_json.h"

#include <string.h>

struct json_object;

/* The value of a json-c object that from now on belongs to `pool`; NULL is JSON null. */
wf_json_t *wf_json_own(apr_pool_t *pool, struct json_object *o);

/* The first byte of a text that cannot stand in a JSON string as it is: quote, backslash, control character; or
 * `end`. Most texts have none, so eight bytes are looked at at once. */
static inline const char *wf_json_plain_end(const char *c, const char *end)
{
    const uint64_t ones = UINT64_C(0x0101010101010101);

    while (end - c >= 8) {
        uint64_t eight, quotes, slashes;
        memcpy(&eight, c, sizeof(eight));
        quotes = eight ^ ones * '"';
        slashes = eight ^ ones * '\\';
        /* The top bit of each byte that is below 0x20 in `eight`, or 0 in one of the others. */
        if ((((eight - ones * 0x20) & ~eight) | ((quotes - ones) & ~quotes) |
             ((slashes - ones) & ~slashes)) &
            ones * 0x80) {
            break;
        }
        c += 8;
    }
    while (c < end && (unsigned char)*c >= 0x20 && *c != '"' && *c != '\\') {
        c++;
    }
    return c;
}

#endif
