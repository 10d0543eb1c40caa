#include "http/wf_http_int.h"

#include <stdlib.h>

/* In the memory of its request's ctx. */
typedef struct job_t {
    wf_http_exchange_t x;
    void *baton;
    struct job_t *next, **link; /* in the list of those on their way */
} job_t;

/* Handles kept for their next use: making one costs more than a request over an open connection. */
#define IDLE_MAX 64

struct wf_http_multi_t {
    wf_http_multi_conf_t conf;
    CURLM *curl;
    job_t *jobs;
    CURL *idle[IDLE_MAX];
    int idle_count;
};

static void unlink_job(wf_http_multi_t *multi, job_t *job)
{
    CURL *curl = job->x.curl;

    *job->link = job->next;
    if (job->next) {
        job->next->link = job->link;
    }
    curl_multi_remove_handle(multi->curl, curl);
    curl_easy_reset(curl);
    if (multi->idle_count < IDLE_MAX) {
        multi->idle[multi->idle_count++] = curl;
    } else {
        curl_easy_cleanup(curl);
    }
}

void wf_http_multi_abandon(wf_http_multi_t *multi)
{
    while (multi->jobs) {
        job_t *job = multi->jobs;
        struct curl_slist *headers = job->x.header_list;

        unlink_job(multi, job);
        curl_slist_free_all(headers);
    }
}

static apr_status_t destroy(void *data)
{
    wf_http_multi_t *multi = data;

    wf_http_multi_abandon(multi);
    while (multi->idle_count > 0) {
        curl_easy_cleanup(multi->idle[--multi->idle_count]);
    }
    curl_multi_cleanup(multi->curl);
    curl_global_cleanup();
    return APR_SUCCESS;
}

wf_status_t wf_http_multi_make(wf_ctx_t *ctx, wf_http_multi_t **out, apr_pool_t *pool,
                               const wf_http_multi_conf_t *conf)
{
    wf_http_multi_t *multi = apr_pcalloc(pool, sizeof(*multi));

    *out = NULL;
    multi->conf = *conf;
    if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) {
        return wf_fail(ctx, WF_EINTERNAL, WFLOGNO(0463) "HTTP client: libcurl does not start");
    }
    multi->curl = curl_multi_init();
    if (!multi->curl) {
        curl_global_cleanup();
        return wf_fail(ctx, WF_EINTERNAL, WFLOGNO(0464) "HTTP client: no memory");
    }
    curl_multi_setopt(multi->curl, CURLMOPT_MAXCONNECTS, (long)conf->connections_max);
    apr_pool_cleanup_register(pool, multi, destroy, apr_pool_cleanup_null);
    *out = multi;
    return WF_OK;
}

wf_status_t wf_http_multi_start(wf_ctx_t *ctx, wf_http_multi_t *multi,
                                const wf_http_request_t *request, void *baton)
{
    job_t *job = apr_pcalloc(ctx->pool, sizeof(*job));
    wf_status_t st;
    CURL *curl;

    job->x.guard = multi->conf.guard;
    job->x.request = request;
    job->x.keeps_first = 1;
    job->baton = baton;
    if ((st = wf_http_exchange_check(ctx, &job->x)) != WF_OK) {
        return st;
    }
    curl = multi->idle_count > 0 ? multi->idle[--multi->idle_count] : curl_easy_init();
    if (!curl) {
        return wf_fail(ctx, WF_EINTERNAL, WFLOGNO(0465) "HTTP client: no memory");
    }
    st = wf_http_exchange_begin(&job->x, curl, multi->conf.reply_max);
    curl_easy_setopt(curl, CURLOPT_PRIVATE, job);
    if (st == WF_OK && curl_multi_add_handle(multi->curl, curl) != CURLM_OK) {
        st = wf_fail(ctx, WF_EINTERNAL, WFLOGNO(0466) "HTTP client: no memory");
    }
    if (st != WF_OK) {
        curl_slist_free_all(job->x.header_list);
        curl_easy_cleanup(curl);
        return st;
    }
    job->next = multi->jobs;
    job->link = &multi->jobs;
    if (job->next) {
        job->next->link = &job->next;
    }
    multi->jobs = job;
    return WF_OK;
}

int wf_http_multi_next(wf_http_done_t *out, wf_http_multi_t *multi)
{
    CURLMsg *message;
    int count;

    message = curl_multi_info_read(multi->curl, &count);
    if (!message) {
        curl_multi_perform(multi->curl, &count);
        message = curl_multi_info_read(multi->curl, &count);
    }
    if (message && message->msg == CURLMSG_DONE) {
        CURLcode code = message->data.result; /* gone with the handle */
        job_t *job = NULL;

        curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, (char **)&job);
        out->baton = job->baton;
        out->status = wf_http_exchange_end(&out->reply, &job->x, code);
        unlink_job(multi, job);
        return 1;
    }
    return 0;
}

void wf_http_multi_wait(wf_http_multi_t *multi, int fd, apr_interval_time_t timeout)
{
    struct curl_waitfd extra = {.fd = fd, .events = CURL_WAIT_POLLIN};

    curl_multi_poll(multi->curl, &extra, fd >= 0 ? 1 : 0, (int)apr_time_as_msec(timeout + 999),
                    NULL);
}

void wf_http_multi_wake(wf_http_multi_t *multi)
{
    curl_multi_wakeup(multi->curl);
}
