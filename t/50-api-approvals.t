#!/usr/bin/perl
# Four eyes: where a company wants it, a change of credentials, its deletion, a mass replay and its erasure wait for a
# second person, are done once, in the transaction that decides, and no secret lies about meanwhile.

use strict;
use warnings;
use lib 't/lib';

use Cpanel::JSON::XS ();
use Test::More;
use Wflows::Api;
use Wflows::Process qw(wait_until);
use Wflows::Tenant;
use Wflows::Test qw(errlog_ok need start_stack);

need('pg', 'redis', 'httpd');
my $stack = start_stack();
my $json = Cpanel::JSON::XS->new->utf8;
my $root = $stack->pg->dbh('postgres', $stack->secret('pg-superuser'), 'wflows');
my $acme = Wflows::Tenant->add($stack, slug => 'acme', settings => { require_approvals => Cpanel::JSON::XS::true });
my $free = Wflows::Tenant->add($stack, slug => 'free');
my $small = Wflows::Tenant->add($stack, slug => 'small', plan => 'starter', settings => { require_approvals => Cpanel::JSON::XS::true });
my $platform = Wflows::Api->new($stack);
my %person = map { my $name = $_; $name => $platform->as(role => 'admin', company => $acme->{id}, sub => $name) } qw(ana bia);
my ($ana, $bia) = @person{qw(ana bia)};
my $secret = 'EAAG-access-token-of-the-approvals-test';
$stack->{known_secrets}{'access token'} = $secret;

sub account_path { my ($tenant) = @_; return "/companies/$tenant->{id}/whatsapp-accounts/$tenant->{accounts}{main}{id}" }
my $path = account_path($acme);
my $approvals = "/companies/$acme->{id}/approvals";
sub sealed_token { return $root->selectrow_array('select access_token from wflows.whatsapp_accounts where id = ?', undef, $acme->{accounts}{main}{id}) }
sub actions { return join(' ', @{ $root->selectcol_arrayref('select action from wflows.audit_logs where company_id = ? order by seq desc limit ?', undef, $acme->{id}, $_[0] // 2) }) }

# A change of the account's token by this person; its approval.
sub ask_for {
    my ($who, $body, %o) = @_;
    my $r = $who->patch($path, $body // { access_token => $secret }, %o);
    is($r->{status}, 202, 'a change of credentials has to wait') or diag($r->{body});
    return $r->{json};
}

# ---- who need not ---------------------------------------------------------------------------------------------------

is($platform->patch(account_path($_), { access_token => $secret })->{status}, 200, "$_->{slug} has no such rule") for $free, $small;
is($ana->patch($path, { display_name => 'Front desk' })->{status}, 200, 'what is no credential needs one person');
$stack->ctl('account', 'set', 'main', '--company', 'acme', { 'verify-token' => 'by-the-operator' });
pass('nor does the operator need a second one');

# ---- asking ----------------------------------------------------------------------------------------------------------

is(sealed_token(), undef, 'there is no token yet');
my $r = $ana->patch($path, { access_token => $secret, display_name => 'Desk' });
is($r->{status}, 202, 'a new token is accepted for later');
my $asked = $r->{json};
is($r->{headers}{location}, "/api/v2$approvals/$asked->{id}", 'the reply says where it waits');
is_deeply([@$asked{qw(action resource_type resource_id status requested_by)}],
    ['account.update', 'account', $acme->{accounts}{main}{id}, 'pending', 'token:ana'], 'and what it is');
is_deeply($asked->{request}{body}, { access_token => '[redacted]', display_name => 'Desk' }, 'without the secret');
is(sealed_token(), undef, 'nothing is done');
is($ana->get($path)->{json}{display_name}, 'Front desk', 'not even a part of it');
is(actions(1), 'approval.requested', 'it is in the audit log');
my $row = $root->selectrow_hashref('select * from wflows.approvals where id = ?', undef, $asked->{id});
like($row->{sealed}, qr/^wf1:/, 'the whole request is sealed');
ok(!(grep { defined && /\Q$secret\E/ } values %$row), 'the secret stands nowhere in clear');
is($ana->patch($path, { access_token => 7 })->{status}, 422, 'what is wrong is refused at once and does not wait');
is($root->selectrow_array('select count(*) from wflows.approvals'), 1, 'and is not written down');

# ---- deciding --------------------------------------------------------------------------------------------------------------

my $it = "$approvals/$asked->{id}";
$r = $ana->post("$it/approve");
is("$r->{status} $r->{json}{code}", '403 approval_own', 'nobody agrees to what they asked for');
is($platform->as(role => 'gestor', company => $acme->{id}, sub => 'gil')->post("$it/approve")->{status}, 403, 'a gestor agrees to nothing');
is($platform->as(role => 'admin', company => $free->{id}, sub => 'eve')->post("$it/approve")->{status}, 404, 'nor does another company\'s admin');
is($bia->post("$it/approve", { x => 1 })->{status}, 422, 'nothing can be added');
is($bia->post("$approvals/$acme->{id}/approve")->{status}, 404, 'an approval that is not there');
is($bia->post("$it/reject", {})->{status}, 422, 'a refusal has a reason');
is($bia->post("$it/cancel")->{status}, 403, 'and only who asked takes it back');
$r = $bia->post("$it/approve");
is($r->{status}, 200, 'a second person agrees') or diag($r->{body});
is_deeply([@{ $r->{json} }{qw(status decided_by)}], ['approved', 'token:bia'], 'which decides it');
is($r->{json}{result}{display_name}, 'Desk', 'and does it');
unlike($r->{body}, qr/\Q$secret\E/, 'without showing the secret');
like(sealed_token(), qr/^wf1:/, 'the token is there');
is($root->selectrow_array('select sealed from wflows.approvals where id = ?', undef, $asked->{id}), undef, 'the request is not kept');
is(actions(), 'account.updated approval.approved', 'both are in the audit log');
my ($audit) = @{ $bia->get("/companies/$acme->{id}/audit-logs", query => { action => 'account.updated' })->{json}{data} };
is_deeply($audit->{metadata}, { approval_id => $asked->{id}, requested_by => 'token:ana' }, 'the change says who asked and what agreed');
is($audit->{actor}, 'token:bia', 'and who did it');
for my $verb (['approve'], ['reject', { reason => 'x' }]) {
    $r = $bia->post("$it/$verb->[0]", $verb->[1]);
    is("$r->{status} $r->{json}{code}", '409 approval_decided', "it is done once: no second $verb->[0]");
}

my $second = ask_for($ana);
$r = $bia->post("$approvals/$second->{id}/reject", { reason => 'Not this week' });
is_deeply([$r->{status}, @{ $r->{json} }{qw(status reason decided_by)}], [200, 'rejected', 'Not this week', 'token:bia'], 'a refusal');
my $third = ask_for($ana);
is($ana->post("$approvals/$third->{id}/cancel")->{json}{status}, 'cancelled', 'taken back by who asked');
is($ana->post("$approvals/$third->{id}/cancel")->{status}, 409, 'once');

# ---- what changed meanwhile -------------------------------------------------------------------------------------------------

my $seen = $ana->get($path);
my $stale = ask_for($ana, undef, if_match => $seen->{etag});
is($bia->patch($path, { display_name => 'Changed' })->{status}, 200, 'the record changes while it waits');
is($bia->post("$approvals/$stale->{id}/approve")->{status}, 412, 'so it is not what was asked for any more');
is($bia->get("$approvals/$stale->{id}")->{json}{status}, 'pending', 'and stays undecided');

my $late = ask_for($ana);
$root->do(q{update wflows.approvals set expires_at = now() - interval '1 second' where id = ?}, undef, $late->{id});
is($bia->get("$approvals/$late->{id}")->{json}{status}, 'expired', 'a week later it is too late');
is($bia->post("$approvals/$late->{id}/approve")->{status}, 409, 'to agree');
$root->do(q{update wflows.job_runs set next_at = now() where name = 'approvals'});
ok(wait_until(30, sub { ($root->selectrow_array('select status from wflows.approvals where id = ?', undef, $late->{id}))[0] eq 'expired' }), 'a job clears it away');
is($root->selectrow_array('select sealed from wflows.approvals where id = ?', undef, $late->{id}), undef, 'with what was sealed');
is(actions(1), 'approval.expired', 'and an audit row');

# ---- two at once ------------------------------------------------------------------------------------------------------------

{
    my $race = ask_for($ana, { access_token => $secret, display_name => 'Raced' });
    my @pids;
    for my $name (qw(bia caio dora edu)) {
        my $pid = fork() // die "fork: $!";
        if (!$pid) {
            $_->{InactiveDestroy} = 1 for $root;
            my $got = $platform->as(role => 'admin', company => $acme->{id}, sub => $name)->post("$approvals/$race->{id}/approve");
            require POSIX;
            POSIX::_exit($got->{status} == 200 ? 0 : $got->{status} == 409 ? 1 : 2);
        }
        push @pids, $pid;
    }
    my @rc = sort map { waitpid($_, 0); $? >> 8 } @pids;
    is("@rc", '0 1 1 1', 'of four who agree at once one does it');
    is($root->selectrow_array(q{select count(*) from wflows.audit_logs where metadata ->> 'approval_id' = ?}, undef, $race->{id}), 1, 'once');
}

# ---- API keys -----------------------------------------------------------------------------------------------------------------

SKIP: {
    my $made = $ana->post("/companies/$acme->{id}/api-keys", { name => 'ci', scopes => ['write:accounts', 'read:approvals', 'read:accounts'] });
    is($made->{status}, 201, 'Ana has a key') or skip("no key: $made->{body}", 3);
    my $key = $platform->as_key($made->{json}{key} // $made->{json}{api_key});
    my $by_key = $key->patch($path, { access_token => $secret });
    is($by_key->{status}, 202, 'whose change waits, too') or diag($by_key->{body});
    is($key->post("$approvals/$by_key->{json}{id}/approve")->{status}, 403, 'a key agrees to nothing');
    $r = $ana->post("$approvals/$by_key->{json}{id}/approve");
    is("$r->{status} $r->{json}{code}", '403 approval_own', 'nor does Ana to what her key asked for');
}

# ---- other systems' credentials -------------------------------------------------------------------------------------------------

$r = $ana->post("/companies/$acme->{id}/integrations", { kind => 'openai', name => 'Bot', config => { model => 'm', api_key => "$secret-1" } });
is($r->{status}, 201, 'an integration') or diag($r->{body});
my $integration = "/companies/$acme->{id}/integrations/$r->{json}{id}";
is($ana->patch($integration, { config => { model => 'n' } }, if_match => '*')->{status}, 200, 'may be changed');
$r = $ana->patch($integration, { config => { api_key => "$secret-2" } }, if_match => '*');
is($r->{status}, 202, 'but its secret waits') or diag($r->{body});
unlike($r->{body}, qr/\Q$secret\E/, 'and is not shown');
is($bia->post("$approvals/$r->{json}{id}/approve")->{status}, 200, 'for a second person');

# ---- the rule itself ------------------------------------------------------------------------------------------------------------

$r = $platform->patch("/companies/$acme->{id}", { settings => { require_approvals => Cpanel::JSON::XS::false } }, if_match => '*');
is($r->{status}, 202, 'that two have to agree is not taken away by one') or diag($r->{body});
is($platform->patch("/companies/$acme->{id}", { display_name => 'Acme!' }, if_match => '*')->{status}, 200, 'other changes of the company are');

# ---- key rotation, deletion, erasure ---------------------------------------------------------------------------------------------

my $keys = sub { $root->selectrow_array('select private_key from wflows.whatsapp_accounts where id = ?', undef, $acme->{accounts}{main}{id}) };
my $old = $keys->();
$r = $ana->post("$path/rotate-keys", {});
is($r->{status}, 202, 'a key rotation waits, before Meta hears of it') or diag($r->{body});
is($keys->(), $old, 'the key is as it was');
is($bia->post("$approvals/$r->{json}{id}/reject", { reason => 'no' })->{status}, 200, 'and may be refused');
$r = $platform->delete("/companies/$acme->{id}", if_match => '*');
is($r->{status}, 202, 'so does a deletion') or diag($r->{body});
is($platform->post("$approvals/$r->{json}{id}/cancel")->{status}, 200, 'which is taken back');
$r = $ana->post("/companies/$acme->{id}/erasure", { confirm => 'wrong' });
is("$r->{status} " . Wflows::Api::pointers($r), '422 /confirm', 'an erasure without confirmation is refused');
$r = $ana->post("/companies/$acme->{id}/erasure", { confirm => 'acme' });
is($r->{status}, 202, 'with it, it is accepted');
is_deeply([@{ $r->{json} }{qw(status action)}], ['pending', 'erasure.request'], 'and waits for a second person');
is($bia->get("/companies/$acme->{id}")->{json}{status}, 'active', 'the company is served');

# ---- the list ---------------------------------------------------------------------------------------------------------------------

my $list = $bia->get($approvals, query => { status => 'pending', limit => 100 })->{json}{data};
ok(@$list >= 3 && !(grep { $_->{status} ne 'pending' } @$list), 'what waits is listed');
is($platform->as(role => 'operador', company => $acme->{id})->get($approvals)->{status}, 403, 'not for everybody');
unlike($json->encode($list), qr/\Q$secret\E/, 'without a secret');

# ---- the end ----------------------------------------------------------------------------------------------------------------------

$r = $bia->post("$approvals/$r->{json}{id}/approve");
is($r->{status}, 200, 'a second person agrees to the erasure') or diag($r->{body});
is($r->{json}{result}{company_id}, $acme->{id}, 'and it begins');
ok(wait_until(90, sub { ($platform->get("/erasures/$acme->{id}")->{json}{step} // '') eq 'done' }), 'and ends');
like($platform->get("/erasures/$acme->{id}")->{json}{report}, qr/^wfs1:/, 'with a report');
is($platform->get("/companies/$acme->{id}")->{status}, 404, 'the company is gone');
is($platform->get('/erasures')->{json}{data}[0]{company_id}, $acme->{id}, 'the platform knows of it');
is($stack->ctl_raw(['audit', 'verify'])->{rc}, 0, 'every audit chain holds');

errlog_ok($stack);
done_testing;
