#!/usr/bin/perl
# wflowsctl user, api-key and token: who may use the management API, as an operator lets them in and puts them out. A
# password is never an argument and never printed; a key is printed once; every change is in the audit log.

use strict;
use warnings;
use lib 't/lib';

use Cpanel::JSON::XS ();
use File::Temp qw(tempdir);
use MIME::Base64 qw(decode_base64);
use Test::More;
use Wflows::Ctl qw(ctl_fails ctl_ok);
use Wflows::Process qw(read_file write_file);
use Wflows::Test qw(need start_stack);

need('pg', 'redis');
my $stack = start_stack(only_stores => 1);
my $dbh = $stack->dbh;
my $json = Cpanel::JSON::XS->new->utf8;
my $dir = tempdir(CLEANUP => 1);
my %company = map { $_ => ctl_ok($stack, ['company', 'add', $_, '--name', $_, '--plan', 'pro', '--json'], "company $_")->{id} } qw(acme other);
my %account = map { $_ => ctl_ok($stack, ['account', 'add', '--company', $_, '--name', 'main', '--phone-number-id', "1${\length $_}34567", '--json'], "account of $_")->{id} } qw(acme other);
my ($password, $second) = ('correct horse battery', 'another long password');
my $said = '';

# As ctl_ok and ctl_fails, with --company acme; what is said is kept, to be searched for secrets.
sub fine {
    my ($name, $args, %o) = @_;
    my $r = $stack->ctl_raw([@$args, '--company', 'acme'], %o);
    is($r->{rc}, 0, $name) or diag("@$args\n$r->{out}$r->{err}");
    $said .= "$r->{out}$r->{err}";
    return $r->{out};
}
sub document { my ($name, $args, %o) = @_; return eval { $json->decode(fine($name, [@$args, '--json'], %o)) } // {} }
sub bad { my ($name, $code, $pattern, $args, %o) = @_; my $r = ctl_fails($stack, [@$args, '--company', 'acme'], $code, $pattern, $name, %o); $said .= "$r->{out}$r->{err}"; return }

sub audits {
    return $dbh->selectall_arrayref('select action, actor, resource_id from wflows.audit_logs where company_id = ? and resource_type = ? order by seq',
        { Slice => {} }, $company{acme}, $_[0]);
}
sub actions { return join ' ', map { $_->{action} } @{ audits(@_) } }

# ---- user -------------------------------------------------------------------------------------------------

like(ctl_ok($stack, ['user', 'list', '--company', 'acme'], 'nobody yet')->{err}, qr/wflowsctl user add/, 'and how to let somebody in');
my $ana = document('user add', ['user', 'add', 'Ana@acme.example', '--name', 'Ana', '--role', 'admin', '--password', 'env:PW'], env => { PW => $password });
is("$ana->{role} $ana->{status}", 'admin active', 'somebody with a password can log in');
my $bo = document('user add, no more than an address', ['user', 'add', 'bo@acme.example']);
is("$bo->{name} $bo->{role} $bo->{status}", 'bo@acme.example leitura invited', 'may look, and cannot log in yet');
like(fine('user add, for people', ['user', 'add', 'cy@acme.example', '--role', 'operador']), qr/^cy\@acme\.example is in company acme as operador \(invited\): [0-9a-f-]{36}$/m, 'says who is what where');

bad('an address is there once', 6, qr/in the company already/, ['user', 'add', 'ANA@acme.example']);
bad('no address', 5, qr/email/, ['user', 'add', 'ana']);
bad('a role that there is not', 5, qr/role/, ['user', 'add', 'x@acme.example', '--role', 'king']);
bad('a company makes no platform', 5, qr/role/, ['user', 'add', 'x@acme.example', '--role', 'platform_admin']);
bad('a short password', 5, qr/password/, ['user', 'add', 'x@acme.example', '--password', 'env:PW'], env => { PW => 'elevenbytes' });
bad('a password is no argument', 2, qr/password/, ['user', 'add', 'x@acme.example', '--password', 'in the clear, for all to see']);
bad('nobody is named', 2, qr/E-MAIL/, ['user', 'add']);
bad('no such person', 4, qr/\S/, ['user', 'show', 'nobody@acme.example']);
bad('nothing to change', 2, qr/nothing to change/, ['user', 'set', 'bo@acme.example']);
bad('the last admin stays one', 6, qr/admin/, ['user', 'set', 'ana@acme.example', '--role', 'gestor']);
bad('and stays', 6, qr/admin/, ['user', 'remove', 'ana@acme.example', '--yes']);
bad('nobody is removed by mistake', 2, qr/--yes/, ['user', 'remove', 'bo@acme.example']);
ctl_fails($stack, ['user', 'show', 'ana@acme.example', '--company', 'other'], 4, qr/\S/, "another company's people are not there");

is_deeply(document('user show by address', ['user', 'show', 'ANA@acme.example']), document('and by id', ['user', 'show', $ana->{id}]), 'is the same');
is(join(' ', sort map { $_->{email} } @{ document('user list', ['user', 'list'])->{data} }), 'Ana@acme.example bo@acme.example cy@acme.example', 'all of them');
like(fine('user list, for people', ['user', 'list']), qr/^E-MAIL +NAME +ROLE +STATUS.*\n(?:.*\n)*bo\@acme\.example +\S+ +leitura +invited/m, 'a line for each');
is(document('user set', ['user', 'set', 'bo@acme.example', '--role', 'gestor', '--name', 'Bo'])->{role}, 'gestor', 'changes a role');
is(document('user password', ['user', 'password', 'bo@acme.example', '--password', '-'], stdin => "$second\n")->{status}, 'active', 'from standard input; now they can log in');
is(document('user set --status', ['user', 'set', $bo->{id}, '--status', 'inactive'])->{status}, 'inactive', 'keeps somebody out');
fine('user remove', ['user', 'remove', 'cy@acme.example', '--yes']);
bad('is out', 4, qr/\S/, ['user', 'show', 'cy@acme.example']);
my $users = audits('user');
is(actions('user'), 'user.created user.created user.created user.updated user.updated user.updated user.deleted', 'each change is audited, and none that was refused')
    or diag(explain($users));
is_deeply([grep { $_->{actor} !~ /^wflowsctl:./ } @$users], [], 'as the operator\'s');

# ---- api-key ----------------------------------------------------------------------------------------------

like(ctl_ok($stack, ['api-key', 'list', '--company', 'acme'], 'no key yet')->{err}, qr/wflowsctl api-key new/, 'and how to make one');
my $printed = fine('api-key new', ['api-key', 'new', '--name', 'shop', '--scope', 'read:flows', '--scope', 'write:flows', '--account', 'main', '--rate', 10, '--ttl', '90d']);
my ($key) = $printed =~ /\A(wfk_[0-9a-f]+_[0-9a-f]+)\n\z/ or diag($printed);
ok($key, 'prints the key and nothing else');
is(scalar(() = $said =~ /\Q$key\E/g), 1, 'this once');
$said =~ s/\Q$key\E//;
my $file = "$dir/key";
my $all = document('api-key new --out', ['api-key', 'new', '--name', 'all', '--scope', 'all', '--out', $file]);
my $in_file = read_file($file);
like($in_file, qr/\Awfk_[0-9a-f_]+\n?\z/, 'is in a file');
is(sprintf('%04o', (stat $file)[2] & 07777), '0600', 'that nobody else reads');
ok(!exists $all->{key}, 'and not on standard output');
cmp_ok(scalar @{ $all->{scopes} }, '>', 10, 'with all scopes');
bad('a file that is there is not written over', 6, qr/exists already/, ['api-key', 'new', '--name', 'again', '--scope', 'all', '--out', $file]);
is(read_file($file), $in_file, 'it is as it was');
bad('nor into a folder that there is not', 5, qr/cannot be written/, ['api-key', 'new', '--name', 'again', '--scope', 'all', '--out', "$dir/none/key"]);
my ($shop) = grep { $_->{name} eq 'shop' } @{ document('api-key list', ['api-key', 'list'])->{data} };
is_deeply([@{$shop}{qw(status rate_limit_per_minute whatsapp_account_ids)}, [sort @{ $shop->{scopes} }]],
    ['active', 10, [$account{acme}], ['read:flows', 'write:flows']], 'the key is as it was asked for');
ok($dbh->selectrow_array(q{select expires_at between now() + interval '89 days' and now() + interval '91 days' from wflows.api_keys where id = ?}, undef, $shop->{id}), 'and expires');

bad('a key has a name', 2, qr/--name/, ['api-key', 'new', '--scope', 'all']);
bad('and a scope', 2, qr/--scope/, ['api-key', 'new', '--name', 'x']);
bad('that there is', 5, qr/scopes/, ['api-key', 'new', '--name', 'x', '--scope', 'read:minds', '--out', "$dir/not-made"]);
ok(!-e "$dir/not-made", 'where no key is made there is no file');
bad('a name is there once', 6, qr/name/, ['api-key', 'new', '--name', 'shop', '--scope', 'all']);
bad('an account that there is not', 4, qr/account/, ['api-key', 'new', '--name', 'x', '--scope', 'all', '--account', 'none']);
bad("another company's account", 4, qr/account/, ['api-key', 'new', '--name', 'x', '--scope', 'all', '--account', $account{other}]);
bad('no rate', 2, qr/--rate/, ['api-key', 'new', '--name', 'x', '--scope', 'all', '--rate', 0]);
bad('no duration', 2, qr/--ttl/, ['api-key', 'new', '--name', 'x', '--scope', 'all', '--ttl', 'soon']);
bad('no such key', 4, qr/no such API key/, ['api-key', 'revoke', 'none', '--yes']);
bad('nothing is revoked by mistake', 2, qr/--yes/, ['api-key', 'revoke', 'shop']);
like(fine('api-key revoke', ['api-key', 'revoke', 'shop', '--yes']), qr/API key shop is revoked/, 'says which');
is(scalar $dbh->selectrow_array('select status from wflows.api_keys where id = ?', undef, $shop->{id}), 'revoked', 'and it is');
is(actions('api_key'), 'api_key.created api_key.created api_key.revoked', 'keys are audited, and none was made that nobody got') or diag(explain(audits('api_key')));

# ---- token ------------------------------------------------------------------------------------------------

sub token {
    my ($name, @args) = @_;
    my $r = ctl_ok($stack, ['token', 'new', @args], $name);
    my ($payload) = $r->{out} =~ /\A[\w-]+\.([\w-]+)\.[\w-]+\n\z/;
    return $json->decode(decode_base64(($payload // 'e30') =~ tr{_-}{/+}r));
}
my $claims = token('token new', '--role', 'platform_admin');
is_deeply($claims->{roles}, ['platform_admin'], 'for the platform');
like($claims->{sub}, qr/^wflowsctl:./, 'of whoever made it');
is($claims->{exp} - $claims->{iat}, 3600, 'for an hour');
ok(!exists $claims->{tenant_id}, 'of no company');
$claims = token('token new of a company', '--role', 'gestor', '--company', 'acme', '--subject', 'monitor', '--ttl', '30d');
is_deeply([@{$claims}{qw(roles tenant_id sub)}, $claims->{exp} - $claims->{iat}], [['gestor'], $company{acme}, 'monitor', 30 * 86400], 'is what was asked for');
my $record = ctl_ok($stack, ['token', 'new', '--role', 'platform_admin', '--out', "$dir/token", '--json'], 'token new --out');
is($record->{file}, "$dir/token", 'says where it is');
ok(!exists $record->{token}, 'and does not print it');
is(sprintf('%04o', (stat "$dir/token")[2] & 07777), '0600', 'nobody else reads it');
ctl_fails($stack, ['token', 'new', @{ $_->[0] }], $_->[1], $_->[2], "token new @{ $_->[0] }") for
    [[], 2, qr/--role/], [['--role', 'king'], 2, qr/--role/], [['--role', 'gestor'], 2, qr/--company/],
    [['--role', 'platform_admin', '--company', 'acme'], 2, qr/leave --company out/], [['--role', 'gestor', '--company', 'nobody'], 4, qr/no company/],
    [['--role', 'platform_admin', '--ttl', '0s'], 2, qr/--ttl/], [['--role', 'platform_admin', '--ttl', '367d'], 2, qr/--ttl/];

# ---- secrets ----------------------------------------------------------------------------------------------

my $audit = join "\n", @{ $dbh->selectcol_arrayref('select row_to_json(a)::text from wflows.audit_logs a') };
for my $secret (['the password', $password], ['the second one', $second], ['the key', $key =~ s/.*_//r], ['the key in the file', $in_file =~ s/\s//gr =~ s/.*_//r], ['a hash', 'argon2']) {
    is(index($said, $secret->[1]), -1, "$secret->[0] is nowhere in what was said");
    is(index($audit, $secret->[1]), -1, 'nor in the audit log');
}

done_testing();
