#include "httpd/wfm.h"

#include <string.h>

const char *wfm_query_value(const request_rec *r, const char *name)
{
    size_t len = strlen(name);
    const char *p = r->args;

    while (p && *p) {
        size_t n = strcspn(p, "&");

        if (n > len && strncmp(p, name, len) == 0 && p[len] == '=') {
            char *value = apr_pstrmemdup(r->pool, p + len + 1, n - len - 1);
            return ap_unescape_urlencoded(value) == OK ? value : NULL;
        }
        p += n;
        p += *p == '&';
    }
    return NULL;
}
