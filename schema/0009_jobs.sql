-- Background jobs: when each ran last, on whatever server.
create table wflows.job_runs (
    name text primary key,
    next_at timestamptz not null default now(),
    finished_at timestamptz,
    outcome text,
    done bigint, -- rows it worked on
    constraint job_runs_outcome_check check (outcome in ('ok', 'failed'))
);
grant select on wflows.job_runs to wflows_app;
grant select, insert, update, delete on wflows.job_runs to wflows_platform;

alter table wflows.whatsapp_accounts add column key_rotation_reminded_at timestamptz;

-- Accounts whose key was to be changed by now, each once for each schedule, as an event (event_tell in
-- 0011_intake.sql). Of all companies, as wflows_platform.
create function wflows.accounts_remind(p_max int)
returns table (company_id uuid, account_id uuid, due_at text)
language plpgsql
as $$
#variable_conflict use_column
declare
    a wflows.whatsapp_accounts;
begin
    for a in
        update wflows.whatsapp_accounts w set key_rotation_reminded_at = now()
        where w.ctid = any (array(
            select e.ctid from wflows.whatsapp_accounts e
            where e.key_rotation_scheduled_at <= now() and e.deleted_at is null
              and (e.key_rotation_reminded_at is null
                   or e.key_rotation_reminded_at < e.key_rotation_scheduled_at)
            limit p_max for update skip locked))
        returning w.*
    loop
        company_id := a.company_id;
        account_id := a.id;
        due_at := wflows.time_text(a.key_rotation_scheduled_at);
        return next;
        perform wflows.event_tell(a.company_id, a.id, 'account.key_rotation_due',
            'key_rotation:' || a.id || ':' || wflows.time_us(a.key_rotation_scheduled_at),
            json_build_object('account_id', a.id, 'scheduled_at', due_at), null, null);
    end loop;
end
$$;
revoke execute on function wflows.accounts_remind(int) from public;
grant execute on function
    wflows.accounts_remind(int), wflows.outbox_add(uuid, text, uuid, text, text, json)
    to wflows_platform;
