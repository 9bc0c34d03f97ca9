// A router without a limit of streams. It opens further connections, but nearly always one is
// enough.

export class RouterPool {
  #make;
  #routers = [];

  constructor(make) {
    this.#make = make;
  }

  // Joins a router that has room for these streams, or a new one. The parameters and the result are
  // those of Router.join.
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
