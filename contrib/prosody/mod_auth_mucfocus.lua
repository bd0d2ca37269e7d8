-- mod_auth_mucfocus: lets mucfocus log in as anybody of one virtual host, with passwords that both sides compute.
--
-- For accounts with `login = "hmac"` in the configuration of mucfocus. The password of an account is
--
--   lower-case hexadecimal of HMAC-SHA-256(secret, "mucfocus-1" NUL bare-JID)
--
-- so nothing is stored here, and no account has to be made. Prosody 0.12 or later.
--
-- Copy this file into a directory of `plugin_paths`, and into the configuration write
--
--   VirtualHost "phones.example.net"                -- mucfocus alone logs in here: this host can hold no other accounts
--     authentication = "mucfocus"
--     mucfocus_secret_files = { "/etc/prosody/mint.key" }          -- the same octets as the secret_file of mucfocus
--     mucfocus_addresses = { "127.0.0.1", "::1", "10.0.0.5" }      -- where mucfocus connects from; default: loopback
--     -- allow_unencrypted_plain_auth = true        -- only where mucfocus says tls = "off", which it does to loopback alone
--
-- To change the secret: put the new file beside the old one, { "/etc/prosody/new.key", "/etc/prosody/mint.key" }, reload Prosody,
-- give mucfocus the new one, and take the old one away again. Either is good as long as both are listed.
--
-- What it does not do, and why:
--   * SCRAM: its server has to choose a password before the client has shown anything, and there may be two. PLAIN it is, inside
--     TLS with a certificate that mucfocus checks.
--   * Passwords anywhere but at login of a client connection: nowhere else is the address known that it comes from.
--   * Registration, and accounts that outlive their connections: somebody exists while he is connected. What is sent to him
--     later is refused rather than stored for good.

local hashes = require "util.hashes";
local iputil = require "util.ip";
local new_sasl = require "util.sasl".new;

local purpose = "mucfocus-1";
local max_secrets = 2;
local min_octets = 32;

local function read_secret(path)
	local file, why = io.open(path, "rb");
	if not file then
		return nil, ("cannot read %s: let the user that Prosody runs as read it"):format(why);
	end
	local text = file:read(4097) or "";
	file:close();
	local secret = text:gsub("\r?\n$", "");
	if #secret < min_octets then
		return nil, ("%s has fewer than %d octets: openssl rand -hex 32 makes a secret"):format(path, min_octets);
	elseif #secret > 4096 then
		return nil, ("%s is no file with a secret: it has more than 4096 octets"):format(path);
	end
	return secret;
end

local function read_secrets()
	local paths = module:get_option_array("mucfocus_secret_files", {});
	if #paths == 0 or #paths > max_secrets then
		return nil, ("mucfocus_secret_files of %s has to list one file, or two while the secret is changed"):format(module.host);
	end
	local secrets = {};
	for i, path in ipairs(paths) do
		local secret, why = read_secret(path);
		if not secret then
			return nil, why;
		end
		secrets[i] = secret;
	end
	return secrets;
end

local function read_addresses()
	local networks = {};
	for i, text in ipairs(module:get_option_array("mucfocus_addresses", { "127.0.0.1", "::1" })) do
		local address, bits = iputil.parse_cidr(text);
		if not address or (text:find("/", 1, true) and not bits) then
			return nil, ("mucfocus_addresses of %s: %q is neither an address nor a network such as 10.0.0.0/24")
				:format(module.host, text);
		end
		networks[i] = { address = address, bits = bits };
	end
	return networks;
end

local secrets, networks = {}, {};

local function configure()
	local new_secrets, why = read_secrets();
	local new_networks, why_not = read_addresses();
	if new_secrets and new_networks then
		secrets, networks = new_secrets, new_networks;
	else
		module:log("error", "%s (%s)", why or why_not,
			#secrets == 0 and "nobody can log in until that is right and Prosody is reloaded" or "all stays as it was");
	end
end

configure();
module:hook_global("config-reloaded", configure);

local function is_listed(text)
	-- A socket for both families shows IPv4 as IPv6.
	local address = text and iputil.new_ip(text:match("^::[fF][fF][fF][fF]:(%d+%.%d+%.%d+%.%d+)$") or text);
	if not address then
		return false;
	end
	for _, network in ipairs(networks) do
		if address.proto == network.address.proto and iputil.match(address, network.address, network.bits) then
			return true;
		end
	end
	return false;
end

-- Takes as long for a wrong password as for a right one, whichever secret is meant.
local function is_right(username, password)
	local right = false;
	for _, secret in ipairs(secrets) do
		local expected = hashes.hmac_sha256(secret, purpose .. "\0" .. username .. "@" .. module.host, true);
		right = hashes.equals(expected, password) or right;
	end
	return right;
end

local function unsupported()
	return nil, "mucfocus makes these accounts up; there is nothing to manage";
end

local provider = {
	get_password = unsupported;
	set_password = unsupported;
	create_user = unsupported;
	delete_user = unsupported;
};

function provider.test_password()
	return nil, "passwords are checked at login only, where the address is known";
end

-- Who is connected exists without asking here.
function provider.user_exists()
	return false;
end

function provider.users()
	return next, prosody.hosts[module.host].sessions, nil;
end

function provider.get_sasl_handler(session)
	return new_sasl(module.host, {
		plain_test = function (_, username, password)
			local right = is_right(username, password);
			local listed = is_listed(session and session.ip);
			if right and not listed then
				-- Either the list is wrong or somebody has the secret.
				module:log("warn", "Right password for %s from %s, which is not in mucfocus_addresses: refused", username,
					session and session.ip);
			elseif not right then
				module:log("info", "Wrong password for %s from %s", username, session and session.ip);
			end
			return right and listed, true;
		end;
	});
end

module:provides("auth", provider);
