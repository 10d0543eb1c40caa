/* Inside lib/service: one file. */
#ifndef WF_MEDIA_FETCH_INT_H
#define WF_MEDIA_FETCH_INT_H

#include "service/wf_service.h"
#include "store/wf_media_store.h"

typedef enum {
    WF_FETCH_STORED, /* `done` says what is in the folder */
    WF_FETCH_FINAL,  /* it will never be had: `done` says why */
    WF_FETCH_AGAIN   /* `error` says what went wrong this time */
} wf_fetch_verdict_t;

typedef struct {
    wf_media_done_t done;
    const char *error;       /* AGAIN, FINAL */
    int http_status;         /* the last one; 0: none */
    const char *retry_after; /* the header; NULL: none */
} wf_fetch_t;

/* wf_media_fetch_file.c: fetches one file until ctx->deadline, or until *stop becomes 1. */
wf_fetch_verdict_t wf_media_fetch_file(wf_ctx_t *ctx, wf_fetch_t *out, const wf_service_t *service,
                                       const wf_media_t *media, volatile apr_uint32_t *stop);

#endif
