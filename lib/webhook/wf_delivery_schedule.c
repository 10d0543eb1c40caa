#include "webhook/wf_delivery_schedule.h"

#include <apr_date.h>
#include <ctype.h>
#include <string.h>

#define RETRY_AFTER_MIN apr_time_from_sec(1)
#define RETRY_AFTER_MAX apr_time_from_sec(12 * 3600)
#define REDACTED "[redacted]"

static const int schedule_s[WF_DELIVERY_RETRIES] = {5,        300,      1800,     2 * 3600,
                                                    5 * 3600, 10 * 3600, 10 * 3600};

int wf_delivery_retry_after(apr_interval_time_t *out, const char *text, apr_time_t now)
{
    apr_interval_time_t wait;
    int64_t seconds;

    if (!text) {
        return 0;
    }
    text += strspn(text, " \t");
    if (isdigit((unsigned char)*text) && text[strspn(text, "0123456789")] == '\0') {
        /* More digits than a number has are a long time all the same. */
        wait = wf_parse_int(&seconds, text, 0, RETRY_AFTER_MAX / APR_USEC_PER_SEC)
                   ? apr_time_from_sec(seconds)
                   : RETRY_AFTER_MAX;
    } else {
        apr_time_t date = apr_date_parse_http(text);

        if (date == APR_DATE_BAD) {
            return 0;
        }
        wait = date - now;
    }
    *out = wait < RETRY_AFTER_MIN   ? RETRY_AFTER_MIN
           : wait > RETRY_AFTER_MAX ? RETRY_AFTER_MAX
                                    : wait;
    return 1;
}

/* 80 % to 120 %: receivers that were down together are not called together again. */
static apr_interval_time_t with_jitter(apr_interval_time_t wait, unsigned random)
{
    return wait * 4 / 5 + wait * 2 / 5 * (apr_interval_time_t)(random & 0xffff) / 0xffff;
}

wf_delivery_verdict_t wf_delivery_judge(apr_interval_time_t *wait, const wf_delivery_attempt_t *a)
{
    int retries = a->max_retries >= 0 && a->max_retries < WF_DELIVERY_RETRIES ? a->max_retries
                                                                              : WF_DELIVERY_RETRIES;

    *wait = 0;
    if (a->status >= 200 && a->status < 300) {
        return WF_DELIVERY_DONE;
    }
    if (a->status == 410) {
        return WF_DELIVERY_GONE;
    }
    if (a->attempts > retries) {
        return WF_DELIVERY_DEAD;
    }
    if (!wf_delivery_retry_after(wait, a->retry_after, a->now)) {
        int step = a->attempts > 0 ? a->attempts - 1 : 0;

        *wait = with_jitter(apr_time_from_sec(schedule_s[step]), a->random);
    }
    return WF_DELIVERY_RETRY;
}

/* The length of the longest word that begins at `text`, or 0. */
static size_t word_at(const char *text, size_t len, const char *const *words, int count)
{
    size_t longest = 0;
    int i;

    for (i = 0; i < count; i++) {
        size_t n = words[i] ? strlen(words[i]) : 0;

        if (n > longest && n <= len && strncmp(text, words[i], n) == 0) {
            longest = n;
        }
    }
    return longest;
}

wf_slice_t wf_delivery_redact(apr_pool_t *pool, const char *text, size_t len,
                              const char *const *words, int count, size_t max)
{
    char *out = apr_palloc(pool, max + 1);
    size_t i = 0, n = 0;

    while (i < len && n < max) {
        size_t word = word_at(text + i, len - i, words, count);

        if (word == 0) {
            out[n++] = text[i++];
            continue;
        }
        if (max - n < strlen(REDACTED)) {
            break;
        }
        memcpy(out + n, REDACTED, strlen(REDACTED));
        n += strlen(REDACTED);
        i += word;
    }
    out[n] = '\0';
    return (wf_slice_t){out, n};
}
