import WSGuard from './wsguard.js';

export default WSGuard;
export { WSGuard };
