#include "service/wf_erase.h"

#include "store/wf_audit_store.h"
#include "store/wf_erase_store.h"
#include "store/wf_media_store.h"

#include <string.h>

#define OPEN_MAX 20
/* Small enough for a transaction of milliseconds. */
#define BATCH 1000
#define PURPOSE "wflows|erasure-report"

/* What is on its way when an erasure begins (an exchange, counters that a process adds every five seconds) has
 * come by then. */
#define QUIET apr_time_from_sec(12)

static const wf_actor_t job = {.actor = "job:erasure"};

/* How one piece of work went. */
typedef struct {
    int64_t removed;
    int moved; /* there is more to do at once */
} progress_t;

/* ---- steps ------------------------------------------------------------------------------ */

typedef wf_status_t step_fn(wf_ctx_t *ctx, progress_t *progress, const wf_service_t *service,
                            const wf_erasure_t *erasure);

static wf_status_t advance(wf_ctx_t *ctx, progress_t *progress, const wf_service_t *service,
                           const wf_erasure_t *erasure, const char *step, const char *what)
{
    progress->moved = 1;
    return wf_erasure_advance(ctx, service->store, erasure, step, what, progress->removed);
}

/* Files lie where WflowsFlowMediaDir is: a server without it leaves them to one that has it. */
static wf_status_t erase_files(wf_ctx_t *ctx, progress_t *progress, const wf_service_t *service,
                               const wf_erasure_t *erasure)
{
    const char *dir = service->conf.media_dir;
    wf_status_t st;

    if (!dir && erasure->files > 0) {
        wf_log(ctx, WF_LOG_WARNING,
               WFLOGNO(0731) "the erasure of company %s waits for a server with WflowsFlowMediaDir: "
                             "its files are to be removed",
               erasure->company_id);
        return WF_OK;
    }
    if (dir && (st = wf_media_files_erase(ctx, &progress->removed, dir, erasure->company_id)) != WF_OK) {
        return st;
    }
    return advance(ctx, progress, service, erasure, WF_ERASE_TABLES, "files");
}

static wf_status_t erase_tables(wf_ctx_t *ctx, progress_t *progress, const wf_service_t *service,
                                const wf_erasure_t *erasure)
{
    int done;
    wf_status_t st = wf_erase_rows(ctx, &done, service->store, erasure, BATCH);

    if (st != WF_OK || done > 0) {
        progress->removed = done;
        progress->moved = 1;
        return st;
    }
    return advance(ctx, progress, service, erasure, WF_ERASE_AUDIT, NULL);
}

static wf_status_t erase_audit(wf_ctx_t *ctx, progress_t *progress, const wf_service_t *service,
                               const wf_erasure_t *erasure)
{
    int done;
    wf_status_t st = wf_erase_audit(ctx, &done, service->store, erasure, BATCH);

    if (st != WF_OK || done > 0) {
        progress->removed = done;
        progress->moved = 1;
        return st;
    }
    return advance(ctx, progress, service, erasure, WF_ERASE_COMPANY, NULL);
}

static wf_status_t erase_company(wf_ctx_t *ctx, progress_t *progress, const wf_service_t *service,
                                 const wf_erasure_t *erasure)
{
    wf_status_t st;

    if (wf_now(ctx) < erasure->requested_at + QUIET) {
        return WF_OK;
    }
    st = wf_erase_company(ctx, &progress->moved, service->store, erasure, &job);
    if (st == WF_OK && progress->moved) {
        wf_log(ctx, WF_LOG_NOTICE, WFLOGNO(0732) "company %s and its data keys are gone",
               erasure->company_id);
    }
    progress->moved = st == WF_OK;
    return st;
}

/* ---- the end ---------------------------------------------------------------------------- */

static wf_status_t make_report(wf_ctx_t *ctx, const char **report, apr_time_t now,
                               const wf_service_t *service, const wf_erasure_t *erasure)
{
    static const char *const kept[] = {"company_id", "requested_at", "erased_at"};
    wf_json_t *out = wf_json_object_make(ctx->pool), *end = wf_json_object_make(ctx->pool), *doc;
    wf_audit_check_t audit;
    const char *text;
    size_t i, len;
    wf_status_t st;

    if ((st = wf_erasure_find(ctx, &doc, service->store, erasure->company_id)) != WF_OK ||
        (st = wf_audit_verify(ctx, &audit, service->store, erasure->company_id, NULL)) != WF_OK) {
        return st;
    }
    for (i = 0; i < sizeof(kept) / sizeof(kept[0]); i++) {
        wf_json_set(out, kept[i], wf_json_get(doc, kept[i]));
    }
    wf_json_set_str(out, "finished_at", wf_time_format(ctx->pool, now));
    wf_json_set(out, "removed", wf_json_get(doc, "removed"));
    wf_json_set_int(end, "rows", audit.rows);
    wf_json_set_int(end, "erased", audit.erased);
    wf_json_set_bool(end, "holds", audit.reason == NULL);
    wf_json_set_str(end, "hash", audit.hash);
    wf_json_set(out, "audit", end);
    text = wf_json_text(ctx->pool, out, &len);
    *report = wf_ring_sign(ctx->pool, service->ring, PURPOSE, text, len);
    return WF_OK;
}

static wf_status_t erase_cache(wf_ctx_t *ctx, progress_t *progress, const wf_service_t *service,
                               const wf_erasure_t *erasure)
{
    const char *dir = service->conf.media_dir, *report;
    apr_time_t now = wf_now(ctx);
    int64_t late = 0;
    wf_status_t st;

    if ((dir && (st = wf_media_files_erase(ctx, &late, dir, erasure->company_id)) != WF_OK) ||
        (service->store->redis &&
         (st = wf_cache_erase(ctx, &progress->removed, service->store, erasure->slug, erasure->company_id)) != WF_OK) ||
        (st = wf_erasure_advance(ctx, service->store, erasure, WF_ERASE_CACHE, "redis_keys",
                                 progress->removed)) != WF_OK ||
        (late > 0 && (st = wf_erasure_advance(ctx, service->store, erasure, WF_ERASE_CACHE, "files",
                                              late)) != WF_OK) ||
        (st = make_report(ctx, &report, now, service, erasure)) != WF_OK) {
        return st;
    }
    st = wf_erasure_finish(ctx, service->store, erasure, now, report, &job);
    if (st == WF_OK) {
        wf_log(ctx, WF_LOG_NOTICE, WFLOGNO(0733) "the erasure of company %s is done", erasure->company_id);
    }
    return st;
}

static const struct {
    const char *name;
    step_fn *fn;
} steps[] = {{WF_ERASE_FILES, erase_files},
             {WF_ERASE_TABLES, erase_tables},
             {WF_ERASE_AUDIT, erase_audit},
             {WF_ERASE_COMPANY, erase_company},
             {WF_ERASE_CACHE, erase_cache}};

static wf_status_t work_on(wf_ctx_t *ctx, progress_t *progress, const wf_service_t *service,
                           const wf_erasure_t *erasure)
{
    size_t i;

    memset(progress, 0, sizeof(*progress));
    for (i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
        if (strcmp(steps[i].name, erasure->step) == 0) {
            return steps[i].fn(ctx, progress, service, erasure);
        }
    }
    return WF_OK; /* of a newer build: it will go on */
}

wf_status_t wf_erase_turn(wf_ctx_t *ctx, int *done, int *more, const wf_service_t *service)
{
    apr_array_header_t *open;
    progress_t progress;
    wf_status_t st = wf_erasures_open(ctx, &open, service->store, OPEN_MAX), one;
    int i;

    *more = 0;
    for (i = 0; i < open->nelts; i++) {
        /* One that cannot go on keeps no other one waiting. */
        one = work_on(ctx, &progress, service, &APR_ARRAY_IDX(open, i, const wf_erasure_t));
        *done += (int)progress.removed;
        *more |= one == WF_OK && progress.moved;
        st = st == WF_OK ? one : st;
    }
    return st;
}

wf_status_t wf_erase_report_read(wf_ctx_t *ctx, wf_json_t **out, const wf_keyring_t *ring,
                                 const char *report)
{
    wf_slice_t text;
    wf_status_t st = wf_ring_check(ctx, &text, ring, PURPOSE, report);

    *out = NULL;
    return st == WF_OK ? wf_json_parse(ctx, out, text.data, text.len, 0) : st;
}
