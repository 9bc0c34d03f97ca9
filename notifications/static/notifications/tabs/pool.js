// As many connections as it takes, which is nearly always one: a Router, without its limit.

export class RouterPool {
  #make;
  #routers = [];

  constructor(make) {
    this.#make = make;
  }

  // As Router's.
  join(wanted, handlers) {
    const streams = Object.keys(wanted.streams);
    let router = this.#routers.find((each) => each.hasRoomFor(streams));
    if (!router) this.#routers.push((router = this.#make()));
    return router.join(wanted, handlers);
  }

  wake() {
    for (const router of this.#routers) router.wake();
  }
}
