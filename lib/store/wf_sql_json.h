/* Records as JSON, for the statements of several files. Internal to lib/store. */
#ifndef WF_SQL_JSON_H
#define WF_SQL_JSON_H

#include "store/wf_sql.h"

/* The records as the API shows them: sealed columns only as has_…. Macros, so that a list, a
 * look-up and an audit row never show different members. */
#define COMPANY_MEMBERS                                                            \
    "'id', c.id, 'slug', c.slug, 'name', c.name,"                                  \
    " 'display_name', c.display_name, 'email', c.email, 'phone', c.phone,"         \
    " 'subscription_plan', c.subscription_plan, 'status', c.status,"               \
    " 'max_whatsapp_accounts', c.max_whatsapp_accounts, 'max_flows', c.max_flows," \
    " 'max_monthly_messages', c.max_monthly_messages, 'settings', c.settings,"     \
    " 'metadata', c.metadata, 'suspension_reason', c.suspension_reason,"           \
    " 'trial_ends_at', wflows.time_text(c.trial_ends_at),"                         \
    " 'activation_date', wflows.time_text(c.activation_date),"                     \
    " 'created_by', c.created_by, 'updated_by', c.updated_by,"                     \
    " 'created_at', wflows.time_text(c.created_at),"                               \
    " 'updated_at', wflows.time_text(c.updated_at)"
#define COMPANY_JSON "json_build_object(" COMPANY_MEMBERS ")"
/* With what is counted of it: for those who look, not for audit rows. */
#define COMPANY_SHOWN                                                              \
    "json_build_object(" COMPANY_MEMBERS ", 'current_monthly_messages', "          \
    MONTH_COUNT("c.id", "flow_exchange") ")"
/* Of this month, in UTC; what a child has counted is added every few seconds. */
#define MONTH_COUNT(company, metric)                                               \
    "coalesce((select u.n from wflows.usage_counters u where u.company_id = "      \
    company " and u.month = to_char(now() at time zone 'UTC', 'YYYY-MM')"          \
    " and u.metric = '" metric "'), 0)"

#define PLAN_JSON                                                                  \
    "json_build_object('name', p.name,"                                            \
    " 'max_whatsapp_accounts', p.max_whatsapp_accounts, 'max_flows', p.max_flows," \
    " 'max_monthly_messages', p.max_monthly_messages, 'max_users', p.max_users,"   \
    " 'retention_days', p.retention_days,"                                         \
    " 'created_at', wflows.time_text(p.created_at),"                               \
    " 'updated_at', wflows.time_text(p.updated_at))"

/* What was counted and is not yet added to the account's own row. */
#define PENDING(column)                                                 \
    "coalesce((select sum(p." column ") from wflows.counts_pending p"   \
    " where p.company_id = a.company_id and p.account_id = a.id), 0)"

#define ACCOUNT_JSON                                                                           \
    "json_build_object('id', a.id, 'company_id', a.company_id, 'name', a.name,"                \
    " 'phone_number', a.phone_number, 'display_name', a.display_name,"                         \
    " 'phone_number_id', a.phone_number_id, 'waba_id', a.waba_id, 'status', a.status,"         \
    " 'is_default', a.is_default, 'default_flow_name', a.default_flow_name,"                   \
    " 'flow_endpoint_timeout', a.flow_endpoint_timeout,"                                       \
    " 'rate_limit_window_ms', a.rate_limit_window_ms,"                                         \
    " 'rate_limit_max_requests', a.rate_limit_max_requests,"                                   \
    " 'callback_webhook_url', a.callback_webhook_url,"                                         \
    " 'callback_timeout', a.callback_timeout, 'callback_max_retries', a.callback_max_retries," \
    " 'callback_disabled_at', wflows.time_text(a.callback_disabled_at),"                       \
    " 'previous_callback_secret_until', wflows.time_text(a.previous_callback_secret_until),"   \
    " 'public_key', a.public_key, 'key_generated_at', wflows.time_text(a.key_generated_at),"   \
    " 'previous_key_until', wflows.time_text(a.previous_key_until),"                           \
    " 'has_next_key', a.next_private_key is not null,"                                         \
    " 'key_rotation_until', wflows.time_text(a.key_rotation_until),"                           \
    " 'key_rotation_scheduled_at', wflows.time_text(a.key_rotation_scheduled_at),"             \
    " 'previous_secret_until', wflows.time_text(a.previous_secret_until),"                     \
    " 'has_private_key', a.private_key is not null,"                                           \
    " 'has_access_token', a.access_token is not null,"                                         \
    " 'has_app_secret', a.app_secret is not null,"                                             \
    " 'has_verify_token', a.verify_token is not null,"                                         \
    " 'has_callback_secret', a.callback_secret is not null,"                                   \
    " 'settings', a.settings, 'features', a.features,"                                         \
    " 'verification_status', a.verification_status,"                                           \
    " 'last_verified_at', wflows.time_text(a.last_verified_at),"                               \
    " 'callback_event_types', a.callback_event_types,"                                         \
    " 'total_messages_sent', a.total_messages_sent + " PENDING("messages_sent") ","            \
    " 'total_flows_completed', a.total_flows_completed + " PENDING("flows_completed") ","      \
    " 'last_activity_at', wflows.time_text(a.last_activity_at),"                               \
    " 'created_by', a.created_by, 'updated_by', a.updated_by,"                                 \
    " 'created_at', wflows.time_text(a.created_at),"                                           \
    " 'updated_at', wflows.time_text(a.updated_at))"

#define FLOW_JSON                                                                           \
    "json_build_object('id', f.id, 'company_id', f.company_id, 'account_id', f.account_id," \
    " 'name', f.name, 'display_name', f.display_name, 'status', f.status,"                  \
    " 'active_version', f.active_version, 'meta_flow_id', f.meta_flow_id,"                  \
    " 'meta_status', f.meta_status, 'meta_version', f.meta_version,"                        \
    " 'meta_published_at', wflows.time_text(f.meta_published_at),"                          \
    " 'latest_version', (select max(v.version) from wflows.flow_versions v"                 \
    "  where v.company_id = f.company_id and v.flow_id = f.id),"                            \
    " 'created_by', f.created_by, 'updated_by', f.updated_by,"                              \
    " 'created_at', wflows.time_text(f.created_at),"                                        \
    " 'updated_at', wflows.time_text(f.updated_at))"

#define BILLING_JSON                                                                         \
    "json_build_object('stripe_customer_id', b.stripe_customer_id,"                          \
    " 'stripe_subscription_id', b.stripe_subscription_id, 'plan', b.plan,"                   \
    " 'status', b.status, 'period_end', wflows.time_text(b.period_end),"                     \
    " 'past_due_since', wflows.time_text(b.past_due_since),"                                 \
    " 'suspended_for', wflows.time_text(b.suspended_for))"

#endif
