#include "httpd/wfm.h"

#include <apr_lib.h>
#include <stdlib.h>
#include <string.h>

/* "'600' is out of range, use 1 to 500": the words that all setters of numbers share. */
static const char *out_of_range(cmd_parms *cmd, const char *text, const char *min, const char *max,
                                const char *example)
{
    return apr_psprintf(cmd->pool, "%s: '%s' is not allowed, use %s to %s (e.g. %s %s)",
                        cmd->cmd->name, text, min, max, cmd->cmd->name, example);
}

const char *wfm_conf_int(cmd_parms *cmd, int64_t *out, const char *text, const wfm_range_t *range)
{
    *out = 0;
    if (wf_parse_int(out, text, range->min, range->max)) {
        return NULL;
    }
    return out_of_range(cmd, text, apr_psprintf(cmd->pool, "%" APR_INT64_T_FMT, range->min),
                        apr_psprintf(cmd->pool, "%" APR_INT64_T_FMT, range->max), range->example);
}

static const char *duration_text(apr_pool_t *pool, int64_t us)
{
    if (us % APR_USEC_PER_SEC != 0) {
        return apr_psprintf(pool, "%" APR_INT64_T_FMT "ms", us / 1000);
    }
    us /= APR_USEC_PER_SEC;
    if (us > 0 && us % 3600 == 0) {
        return apr_psprintf(pool, "%" APR_INT64_T_FMT "h", us / 3600);
    }
    if (us > 0 && us % 60 == 0) {
        return apr_psprintf(pool, "%" APR_INT64_T_FMT "min", us / 60);
    }
    return apr_psprintf(pool, "%" APR_INT64_T_FMT "s", us);
}

/* ap_timeout_parameter_parse looks at the first letters of the unit only and would take "5mice". */
static int is_duration(const char *text)
{
    static const char *const units[] = {"", "s", "ms", "mi", "min", "h"};
    size_t i;

    if (!apr_isdigit(*text)) {
        return 0;
    }
    while (apr_isdigit(*text)) {
        text++;
    }
    for (i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
        if (strcmp(text, units[i]) == 0) {
            return 1;
        }
    }
    return 0;
}

const char *wfm_conf_duration(cmd_parms *cmd, apr_interval_time_t *out, const char *text,
                              const wfm_range_t *range)
{
    apr_interval_time_t value = 0;

    *out = 0;
    if (!is_duration(text) || ap_timeout_parameter_parse(text, &value, "s") != APR_SUCCESS ||
        value < range->min || value > range->max) {
        return out_of_range(cmd, text, duration_text(cmd->pool, range->min),
                            duration_text(cmd->pool, range->max), range->example);
    }
    *out = value;
    return NULL;
}

const char *wfm_conf_size(cmd_parms *cmd, int64_t *out, const char *text, const wfm_range_t *range)
{
    size_t len = strlen(text);
    int64_t unit = 1, n;

    *out = 0;
    if (len > 1 && (text[len - 1] == 'K' || text[len - 1] == 'k')) {
        unit = 1024;
    } else if (len > 1 && (text[len - 1] == 'M' || text[len - 1] == 'm')) {
        unit = 1024 * 1024;
    }
    if (!wf_parse_int(&n, unit == 1 ? text : apr_pstrmemdup(cmd->temp_pool, text, len - 1), 0,
                      range->max / unit) ||
        n * unit < range->min) {
        return out_of_range(cmd, text, apr_psprintf(cmd->pool, "%" APR_INT64_T_FMT, range->min),
                            apr_psprintf(cmd->pool, "%" APR_INT64_T_FMT, range->max),
                            range->example);
    }
    *out = n * unit;
    return NULL;
}

const char *wfm_conf_word(cmd_parms *cmd, int *out, const char *text, const wfm_word_t *words,
                          const char *example)
{
    const char *known = "";
    const wfm_word_t *w;

    *out = 0;
    for (w = words; w->word; w++) {
        if (ap_cstr_casecmp(text, w->word) == 0) {
            *out = w->value;
            return NULL;
        }
        known = apr_pstrcat(cmd->pool, known,
                            w == words  ? ""
                            : w[1].word ? ", "
                                        : " or ",
                            "'", w->word, "'", NULL);
    }
    return apr_psprintf(cmd->pool, "%s: '%s' is not known, use %s (e.g. %s %s)", cmd->cmd->name,
                        text, known, cmd->cmd->name, example);
}

const char *wfm_conf_main_only(cmd_parms *cmd)
{
    if (!cmd->server->is_virtual) {
        return NULL;
    }
    return apr_psprintf(cmd->pool,
                        "%s: not in <VirtualHost>, it is for the whole process; move it to the "
                        "main server configuration",
                        cmd->cmd->name);
}

const char *wfm_conf_at(cmd_parms *cmd)
{
    return apr_psprintf(cmd->pool, "%s:%d", cmd->directive->filename, cmd->directive->line_num);
}
