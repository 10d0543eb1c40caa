#include "wff.h"
#include "wff_directives.h"

#include "webhook/wf_media_ref.h"

#include <apr_file_info.h>
#include <string.h>

APLOG_USE_MODULE(wflows_flows);

/* Files that users send in a flow: the directives, and what they become. */

/* Meta's CDN, and where the Graph API's links lead. */
static const char *const hosts_default[] = {".whatsapp.net", ".fbcdn.net", ".fbsbx.com"};

static apr_array_header_t *hosts_of(apr_pool_t *pool, const wff_server_conf_t *own)
{
    apr_array_header_t *hosts;
    size_t i;

    if (own->media_hosts) {
        return own->media_hosts;
    }
    hosts = apr_array_make(pool, 3, sizeof(const char *));
    for (i = 0; i < sizeof(hosts_default) / sizeof(hosts_default[0]); i++) {
        APR_ARRAY_PUSH(hosts, const char *) = hosts_default[i];
    }
    return hosts;
}

/* Readable by others is no harm, what lies there is encrypted; writable is: a file could be exchanged
 * for an older one, and a link put in its place. */
static int dir_check(apr_pool_t *pool, const char *dir)
{
    apr_finfo_t info;
    char text[128];
    apr_status_t rv = apr_stat(&info, dir, APR_FINFO_TYPE | APR_FINFO_PROT, pool);

    if (rv != APR_SUCCESS && rv != APR_INCOMPLETE) {
        wfm_startup_error(WFLOGNO(2160) WFF_MEDIA_DIR " %s: %s", dir,
                          apr_strerror(rv, text, sizeof(text)));
        return !OK;
    }
    if (info.filetype != APR_DIR || (info.protection & APR_FPROT_WWRITE)) {
        wfm_startup_error(WFLOGNO(2161) WFF_MEDIA_DIR " %s: %s", dir,
                          info.filetype != APR_DIR
                              ? "is not a folder"
                              : "others may write there; chmod 0700 it and give it to httpd's user");
        return !OK;
    }
    return OK;
}

int wff_media_check(apr_pool_t *pool, const wff_server_conf_t *own)
{
    const apr_array_header_t *hosts = hosts_of(pool, own);

    /* An access token goes there. */
    if (own->graph_url && strncmp(own->graph_url, "https://", 8) != 0 &&
        !wf_media_url_allowed(hosts, own->graph_url)) {
        wfm_startup_error(WFLOGNO(2162) WFF_GRAPH_URL " %s: use https, or name its origin in "
                                        WFF_MEDIA_HOST " too", own->graph_url);
        return !OK;
    }
    return own->media_dir ? dir_check(pool, own->media_dir) : OK;
}

void wff_media_apply(apr_pool_t *pool, wf_conf_t *conf, const wff_server_conf_t *own)
{
    conf->service.media_dir = own->media_dir;
    conf->service.media_hosts = hosts_of(pool, own);
    if (own->graph_url) {
        conf->service.graph_url = own->graph_url;
    }
}
