/** The browser client of flask_wsguard: a WebSocket that asks preauth for a fresh ticket before every connect. */
declare class WSGuard {
  static readonly CONNECTING: 0;
  static readonly OPEN: 1;
  static readonly CLOSING: 2;
  static readonly CLOSED: 3;

  /**
   * Ask preauth for a URL that opens the socket once, within seconds, for use with another client.
   * It does not retry. Needs a global Promise; throws without one.
   * @returns rejects with a `WSGuard.UrlError`, or a SyntaxError for a bad URL
   */
  static url(url: string, options?: WSGuard.UrlOptions): Promise<string>;

  /** The wait before try `attempt` (0 is the first retry), in ms: random() * min(maxDelay, minDelay * factor ** attempt). */
  static backoff(attempt: number, options?: WSGuard.BackoffOptions | null, random?: () => number): number;

  /** The reasons the client makes or branches on; a server may send any other `WSGuard.Reason`. */
  static readonly reasons: readonly WSGuard.Reason[];

  /** Everything the client uses of the browser, for tests to replace. */
  static readonly door: WSGuard.Door;

  /**
   * Connect. The url is like that of WebSocket, or http(s), or relative to the page.
   * @throws SyntaxError for a bad URL, a fragment, a bad or repeated protocol. Nothing else is thrown.
   */
  constructor(url: string, protocols?: string | readonly string[] | null, options?: WSGuard.Options);
  constructor(url: string, options: WSGuard.Options);

  readonly CONNECTING: 0;
  readonly OPEN: 1;
  readonly CLOSING: 2;
  readonly CLOSED: 3;

  /** The socket's address, never with a token. */
  readonly url: string;
  /** CONNECTING also while waiting to reconnect; CLOSED is final. */
  readonly readyState: 0 | 1 | 2 | 3;
  /** The one the server chose among yours, or ''. */
  readonly protocol: string;
  /** Bytes queued by `send` or by the browser; after the final close also what was thrown away, as with WebSocket. */
  readonly bufferedAmount: number;
  /** Retries since the connection was last up for `minUptime`. */
  readonly retryCount: number;
  binaryType: BinaryType;

  onopen: ((this: WSGuard, event: WSGuard.Event<'open'>) => void) | null;
  onmessage: ((this: WSGuard, event: WSGuard.MessageEvent) => void) | null;
  onerror: ((this: WSGuard, event: WSGuard.Event<'error'>) => void) | null;
  onclose: ((this: WSGuard, event: WSGuard.CloseEvent) => void) | null;
  onreconnecting: ((this: WSGuard, event: WSGuard.ReconnectingEvent) => void) | null;

  /** There are no options: neither `once` nor `signal` exists in IE 11. */
  addEventListener<K extends keyof WSGuard.EventMap>(type: K, listener: WSGuard.Listener<K>): void;
  removeEventListener<K extends keyof WSGuard.EventMap>(type: K, listener: WSGuard.Listener<K>): void;

  /**
   * Send, or queue until the socket is open. The queue outlives reconnects of the same user and is dropped by the
   * final close. What was handed to a socket that then broke is lost. After the close it is silently thrown away.
   * @throws Error when `maxQueue` messages wait already
   */
  send(data: string | ArrayBuffer | ArrayBufferView | Blob): void;

  /**
   * Close for good. An open socket fires `close` when the other side has answered; in every other phase it fires
   * at once, inside this call, with your code (1000 when none was given) and `wasClean: true`.
   * @param code 1000, or 3000 to 4999; anything else throws a RangeError
   * @param reason at most 123 bytes of UTF-8; more throws a SyntaxError
   */
  close(code?: number, reason?: string): void;

  /**
   * Start afresh, now: after a final close, while waiting, or in place of an open connection, which is dropped
   * without a `close` event. A `close()` that was still under way is taken back. The page stays its first
   * user's: after `user_changed` only a reload goes on as the new one.
   */
  reconnect(): void;
}

declare namespace WSGuard {
  /** Machine words of a refusal: the server's, then the client's own. */
  type Reason =
    /* reasons:begin */
    | 'unguarded_route' | 'malformed_upgrade' | 'insecure_transport' | 'origin_missing' | 'origin_not_allowed'
    | 'cross_site_fetch' | 'token_missing' | 'token_invalid' | 'token_expired' | 'ticket_missing' | 'ticket_invalid'
    | 'ticket_expired' | 'ticket_mismatch' | 'path_mismatch' | 'scope_missing' | 'session_ended' | 'user_changed'
    | 'too_many_connections' | 'token_used' | 'store_unavailable' | 'login_required' | 'not_json' | 'bad_request'
    | 'unknown_path'
    | 'network' | 'timeout' | 'rate_limited' | 'server_error' | 'bad_response' | 'handshake_failed';
    /* reasons:end */

  interface BackoffOptions {
    /** ms, 1000 */
    minDelay?: number;
    /** ms, 30000 */
    maxDelay?: number;
    /** 2 */
    factor?: number;
  }

  interface UrlOptions {
    /** Address of preauth. Default: on the socket's own host, with the prefix of the script when that host served it. */
    preauth?: string | null;
    /** CSRF token. Default: `<meta name="csrf-token">`, to the page's own origin only. '' sends none. */
    csrf?: string | null;
    /** 'X-CSRFToken' */
    csrfHeader?: string;
    /** Further headers of preauth, or a function that is asked before every one. One that throws is retried. */
    headers?: Record<string, string> | (() => Record<string, string> | null | undefined) | null;
    /** Default: true when preauth is on another origin. */
    withCredentials?: boolean | null;
    /** ms for preauth, and again for the handshake; 10000 */
    timeout?: number;
  }

  interface Options extends UrlOptions, BackoffOptions {
    protocols?: string | readonly string[] | null;
    /** Where the token travels; 'subprotocol' needs WSGUARD_TOKEN_CARRIERS on the server. 'query' */
    carrier?: 'query' | 'subprotocol';
    /** false: every drop is final. true */
    reconnect?: boolean;
    /** Infinity */
    maxRetries?: number;
    /** ms a connection must last to forget the tries before it; 5000 */
    minUptime?: number;
    /** Messages `send` keeps before open; 100 */
    maxQueue?: number;
    /** Return false to make a drop final. */
    shouldReconnect?: ((info: Retry) => boolean | void) | null;
    /** Write the states to the console; never the token, never the query. false */
    debug?: boolean;
  }

  interface Retry {
    /** 1 is the first */
    attempt: number;
    /** ms until the next preauth */
    delay: number;
    reason: Reason | (string & {});
    /** The close code; 1006 when there was no close frame */
    code: number;
  }

  /** The body of a problem+json answer (RFC 9457). */
  interface Problem {
    reason: Reason | (string & {});
    status?: number;
    title?: string;
    detail?: string;
    /** Scopes that were asked for */
    required?: string[];
    login_url?: string;
    [extra: string]: unknown;
  }

  /** Plain objects: IE 11 has no event constructors. */
  interface Event<T extends string> {
    type: T;
    target: WSGuard;
    currentTarget: WSGuard;
  }
  interface MessageEvent extends Event<'message'> {
    data: any;
    origin: string;
  }
  /** Final, and fired once: nothing comes after it until you call `reconnect()`. */
  interface CloseEvent extends Event<'close'> {
    /** 4401: log in again · 4403: not allowed · 4400: a mistake in the page or the server · else the socket's own */
    code: number;
    reason: Reason | (string & {});
    wasClean: boolean;
    /** What the server said of the refusal, when it said something. */
    problem?: Problem | null;
  }
  interface ReconnectingEvent extends Event<'reconnecting'>, Retry {}

  interface EventMap {
    open: Event<'open'>;
    message: MessageEvent;
    error: Event<'error'>;
    close: CloseEvent;
    reconnecting: ReconnectingEvent;
  }
  type Listener<K extends keyof EventMap> =
    | ((this: WSGuard, event: EventMap[K]) => void)
    | { handleEvent(event: EventMap[K]): void };

  interface UrlError extends Error {
    /** As in `CloseEvent`; 1006 where trying again may help. */
    code: number;
    reason: Reason | (string & {});
    problem?: Problem | null;
  }

  interface Door {
    window: any;
    document: any;
    location: any;
    console: any;
    WebSocket: any;
    XMLHttpRequest: any;
    Promise: any;
    random(): number;
    now(): number;
    setTimeout(call: () => void, ms: number): any;
    clearTimeout(id: any): void;
  }
}

export = WSGuard;
export as namespace WSGuard;
