/* L5: fetches the files that users sent in a flow (WHATSAPP.md section 3): a few threads that claim
 * outbox rows, download, check, decrypt and keep, in bounded memory. Plaintext never touches the
 * disk. */
#ifndef WF_MEDIA_FETCH_H
#define WF_MEDIA_FETCH_H

#include "service/wf_service.h"

typedef struct wf_media_fetcher_t wf_media_fetcher_t;

typedef struct {
    const char *owner; /* of leases, for people to read: "host:pid:media" */
} wf_media_fetcher_conf_t;

/* service->conf.media_dir must be set. `pool` and `service` must outlive it. */
wf_status_t wf_media_fetcher_start(wf_ctx_t *ctx, wf_media_fetcher_t **out, apr_pool_t *pool,
                                   const wf_service_t *service,
                                   const wf_media_fetcher_conf_t *conf) WF_MUST_CHECK;
/* 0: its threads have ended by themselves. */
int wf_media_fetcher_is_alive(const wf_media_fetcher_t *fetcher);
/* From now on it claims no more; what is on its way may take up to `bound`. Returns at once. */
void wf_media_fetcher_quit(wf_media_fetcher_t *fetcher, apr_interval_time_t bound);
/* After wf_media_fetcher_quit: waits for the end of the threads. What is on its way then is given
 * back. */
void wf_media_fetcher_join(wf_media_fetcher_t *fetcher);

#endif
